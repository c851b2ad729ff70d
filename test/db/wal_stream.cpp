// What a wal_stream delivers: which messages, whole, in the order of commits, at which positions.

#include <pgtally/test/db/wal_subject.hpp>

#include <memory>
#include <stdexcept>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

db::lsn lsn_of(std::string const& text)
{
    auto const parsed = db::parse_lsn(text);
    BOOST_REQUIRE(parsed);
    return *parsed;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_wal_stream, wal_fixture)

BOOST_AUTO_TEST_CASE(options_are_checked)
{
    asio::io_context context;
    auto const make = [&](auto change) {
        auto options = wal_options();
        change(options);
        db::wal_stream const made(context.get_executor(), settings(), options);
    };
    using options = db::wal_stream_options;
    BOOST_CHECK_THROW(make([](options& of) { of.publication.clear(); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.publication.assign(64, 'x'); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.publication = std::string("a\0b", 3); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.prefix = std::string("a\0b", 3); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.slot_prefix.clear(); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.slot_prefix.assign(41, 'x'); }), std::invalid_argument);
    BOOST_CHECK_THROW(make([](options& of) { of.slot_prefix = "Test"; }), std::invalid_argument);
    BOOST_CHECK_NO_THROW(make([](options& of) { of.slot_prefix.assign(40, 'x'); }));
    BOOST_CHECK_NO_THROW(make([](options& of) { of.prefix.clear(); }));
}

BOOST_AUTO_TEST_CASE(transactions_come_whole_and_in_order)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        BOOST_TEST(!it.stream.is_streaming());
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        BOOST_TEST(it.stream.is_streaming());
        sql("begin; select pg_logical_emit_message(true, 'test', 'a');"
            " select pg_logical_emit_message(true, 'test', 'b'); commit;"
            " select pg_logical_emit_message(true, 'test', '');"
            " select pg_logical_emit_message(true, 'test', i::text) from generate_series(1, 3) i");
        BOOST_TEST((co_await it.next_text()) == "a b");
        // Statements of one simple query without BEGIN are one transaction.
        BOOST_TEST((co_await it.next_text()) == " 1 2 3");
        BOOST_TEST(it.stream.counters().transactions == 2u);
        BOOST_TEST(it.stream.counters().messages == 6u);
        BOOST_TEST(it.stream.counters().message_bytes == 5u);
        BOOST_TEST(it.stream.counters().connects == 1u);
        it.stream.stop();
        BOOST_TEST((co_await it.next_text()) == "stopped");
        co_await it.until_run_ended();
    });
    BOOST_TEST(log->contain("streaming from slot test_"));
}

BOOST_AUTO_TEST_CASE(what_is_not_for_us_does_not_come)
{
    auto const other = cluster::shared().create_database();
    sql("create table row (id int primary key)");
    sql("create publication rows for table row");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto options = wal_options();
        options.publication = "rows";
        wal_subject it(executor, settings(), db::wal_stream_limits(), options);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        emit("another prefix", "tes");
        emit("another prefix", "test2");
        cluster::shared().sql("select pg_logical_emit_message(true, 'test', 'another database')", other);
        sql("select pg_logical_emit_message(false, 'test', 'not transactional')");
        sql("begin; select pg_logical_emit_message(true, 'test', 'aborted'); rollback");
        sql("begin; select pg_logical_emit_message(true, 'test', 'before'); savepoint s;"
            " select pg_logical_emit_message(true, 'test', 'undone'); rollback to s;"
            " select pg_logical_emit_message(true, 'test', 'after'); commit");
        BOOST_TEST((co_await it.next_text()) == "before after");
        sql("begin; insert into row values (1), (2); update row set id = 3 where id = 2; delete from row where id = 1;"
            " select pg_logical_emit_message(true, 'test', 'between'); truncate row; commit");
        sql("insert into row values (1)");
        emit("last");
        BOOST_TEST((co_await it.next_text()) == "between");
        BOOST_TEST((co_await it.next_text()) == "last");
        BOOST_TEST(it.stream.counters().skipped > 5u);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(large_content_comes_unchanged)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        constexpr std::size_t size = 5'000'000;
        sql("select pg_logical_emit_message(true, 'test', repeat('0123456789', 500000));"
            " select pg_logical_emit_message(true, 'test', '\\x00ff00'::bytea)");
        auto const got = co_await it.next_text();
        BOOST_REQUIRE(got.size() == size + 4);
        std::string wanted;
        while (wanted.size() < size) wanted += "0123456789";
        wanted += std::string(" \0\xff\0", 4);
        BOOST_TEST((got == wanted));
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(nothing_is_missing_of_very_many)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        db::connection conn(executor);
        auto const with = settings();
        co_await conn.connect(with);
        constexpr int transactions = 2000;
        auto const ended = std::make_shared<bool>(false);
        auto send = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < transactions; ++i)
                co_await conn.query(
                    "select pg_logical_emit_message(true, 'test', $1 || '/' || j)"
                    " from generate_series(1, 20) j",
                    i);
            *ended = true;
        };
        spawn(executor, send());
        for (int i = 0; i < transactions; ++i) {
            auto const got = co_await it.next_text();
            std::string wanted;
            for (int j = 1; j <= 20; ++j) wanted += (j > 1 ? " " : "") + std::to_string(i) + "/" + std::to_string(j);
            BOOST_REQUIRE(got == wanted);
        }
        auto const sent = [&] { return *ended; };
        co_await it.wait_for(sent);
        BOOST_TEST(it.stream.counters().overflows == 0u);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(positions_are_those_of_the_commits)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        // Another slot of the same plugin says where each transaction ends, and with which xid.
        sql("select pg_create_logical_replication_slot('truth', 'pgoutput')");
        auto last = db::lsn{};
        for (int i = 0; i < 3; ++i) {
            auto const before = lsn_of(sql("select pg_current_wal_insert_lsn()"));
            auto const xid =
                sql("begin; select pg_logical_emit_message(true, 'test', 'a');"
                    " create temp table x as select txid_current() % (2^32)::bigint id; commit; select id from x");
            auto const after = lsn_of(sql("select pg_current_wal_insert_lsn()"));
            auto const got = co_await it.next();
            BOOST_TEST(got.text == "a");
            BOOST_TEST(std::to_string(got.transaction.xid) == xid);
            BOOST_TEST((before <= got.transaction.commit));
            BOOST_TEST((got.transaction.commit < got.transaction.end));
            BOOST_TEST((got.transaction.end <= after));
            BOOST_TEST((last <= got.transaction.commit));
            last = got.transaction.end;
            auto const end =
                "select lsn from pg_logical_slot_peek_binary_changes('truth', null, null, 'proto_version',"
                " '1', 'publication_names', 'nothing', 'messages', 'true') where xid = " +
                xid + " and get_byte(data, 0) = ascii('C')";
            BOOST_TEST(sql(end) == db::to_string(got.transaction.end));
            auto const seconds = std::chrono::duration<double>(got.transaction.at.time_since_epoch()).count();
            BOOST_TEST(
                sql("select abs(extract(epoch from clock_timestamp()) - " + std::to_string(seconds) + ") < 60") == "t");
        }
        sql("select pg_drop_replication_slot('truth')");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(streaming_describes_the_source)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        it.start();
        auto const got = co_await it.next();
        BOOST_TEST(got.text == "+");
        auto const& now = got.streaming;
        BOOST_TEST(now.system_identifier == sql("select system_identifier from pg_control_system()"));
        BOOST_TEST(std::to_string(now.timeline) == sql("select timeline_id from pg_control_checkpoint()"));
        BOOST_TEST(std::to_string(now.database) ==
                   sql("select oid from pg_database where datname = current_database()"));
        BOOST_TEST((now.backend == it.stream.backend_pid()));
        auto const pid = std::to_string(static_cast<int>(now.backend));
        BOOST_TEST(sql("select slot_name from pg_replication_slots where temporary and active_pid = " + pid) ==
                   now.slot);
        BOOST_TEST(sql("select count(*) from pg_replication_slots where slot_name ~ '^test_[0-9]+_[0-9a-f]+$'") == "1");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(names_are_taken_literally)
{
    auto const name = std::string("A \\, \"quoted\" 'name'");
    sql("create publication \"A \\, \"\"quoted\"\" 'name'\"");
    sql("create table row (id int primary key); alter publication \"A \\, \"\"quoted\"\" 'name'\" add table row");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto options = wal_options();
        options.publication = name;
        options.prefix = "a 'prefix'";
        wal_subject it(executor, settings(), db::wal_stream_limits(), options);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        sql("begin; insert into row values (1); select pg_logical_emit_message(true, 'a ''prefix''', 'a'); commit");
        BOOST_TEST((co_await it.next_text()) == "a");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
