// How a wal_stream makes its slot, and how it lets the server forget.

#include <pgtally/db/detail/wal_opening.hpp>
#include <pgtally/test/db/wal_subject.hpp>

#include <unistd.h>

#include <cstdint>
#include <memory>

using namespace std::chrono_literals;
using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

db::wal_stream_limits hasty()
{
    db::wal_stream_limits limits;
    limits.slot_patience = 200ms;
    limits.slot_notice = 20ms;
    limits.status_interval = 10ms;
    return limits;
}

std::string blockers(wal_fixture const& of, db::backend_pid waiting)
{
    return of.sql("select pg_blocking_pids(" + std::to_string(static_cast<int>(waiting)) + ")");
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_wal_stream_slot, wal_fixture)

BOOST_AUTO_TEST_CASE(slot_waits_for_a_transaction_of_another_database)
{
    auto const other = db_fixture::settings(cluster::shared().dsn(cluster::shared().create_database()));
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection writer(executor);
        co_await writer.connect(other);
        co_await writer.script("begin; create table t ()");
        auto const pid = "{" + std::to_string(static_cast<int>(writer.backend_pid())) + "}";
        wal_subject it(executor, settings(), hasty());
        it.start();
        for (int i = 0; i < 3; ++i) {
            auto const got = co_await it.next();
            BOOST_TEST(got.text == "?");
            BOOST_TEST((got.waiting == it.stream.backend_pid()));
            BOOST_TEST(blockers(*this, got.waiting) == pid);
        }
        BOOST_TEST(!it.stream.is_streaming());
        BOOST_TEST(it.stream.counters().waits >= 3u);
        BOOST_TEST(it.stream.counters().connect_failures == 0u);
        co_await writer.script("commit");
        co_await it.until("+");
        emit("a");
        BOOST_TEST((co_await it.next_text()) == "a");
        it.stream.stop();
    });
    BOOST_TEST(log->contain("waits for open transactions"));
}

BOOST_AUTO_TEST_CASE(prepared_transaction_is_waited_for_and_comes_with_its_xid)
{
    cluster server({"fsync=off", "wal_level=logical", "max_prepared_transactions=5"});
    server.sql("create publication nothing");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        server.sql("begin; create table t (); prepare transaction 'one'");
        wal_subject it(executor, db_fixture::settings(server.dsn()), hasty());
        it.start();
        auto const got = co_await it.next();
        BOOST_TEST(got.text == "?");
        auto const pid = std::to_string(static_cast<int>(got.waiting));
        BOOST_TEST(server.sql("select pg_blocking_pids(" + pid + ")") == "{0}");
        server.sql("commit prepared 'one'");
        co_await it.until("+");

        auto const xid = server.sql(
            "begin; create table x as select txid_current() % (2^32)::bigint id;"
            " select pg_logical_emit_message(true, 'test', 'kept'); prepare transaction 'kept';"
            " select transaction::text from pg_prepared_xacts");
        server.sql(
            "begin; select pg_logical_emit_message(true, 'test', 'undone');"
            " select txid_current(); prepare transaction 'undone'");
        server.sql("select pg_logical_emit_message(true, 'test', 'between')");
        BOOST_TEST((co_await it.next_text()) == "between");
        server.sql("rollback prepared 'undone'");
        server.sql("commit prepared 'kept'");
        auto const kept = co_await it.next();
        BOOST_TEST(kept.text == "kept");
        BOOST_TEST(std::to_string(kept.transaction.xid) == xid);
        server.sql("select pg_logical_emit_message(true, 'test', 'last')");
        BOOST_TEST((co_await it.next_text()) == "last");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(name_in_use_is_drawn_anew)
{
    auto const name = [](std::string const& random) { return "test_" + std::to_string(getpid()) + "_" + random; };
    sql("select pg_create_physical_replication_slot('" + name("1") + "')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const core = std::make_shared<db::detail::connection_core>(executor);
        db::pq::options also;
        also.emplace("replication", "database");
        co_await db::detail::connection_core::connect(core, settings(), also);
        std::uint32_t drawn = 0;
        db::detail::wal_draw draw = [&] { return ++drawn / 3 + 1; };  // 1, 1, 2
        db::detail::slot_timeouts const timeouts{1s, 10s};
        auto const made = co_await db::detail::create_slot(core, "test", draw, timeouts);
        BOOST_REQUIRE(made);
        BOOST_TEST(made->name == name("2"));
        BOOST_TEST(drawn == 3u);
        BOOST_TEST(sql("select confirmed_flush_lsn from pg_replication_slots where slot_name = '" + made->name + "'") ==
                   db::to_string(made->start));
        db::detail::wal_draw always = [] { return std::uint32_t{1}; };
        auto const failure = co_await failure_of(db::detail::create_slot(core, "test", always, timeouts));
        BOOST_TEST(failure.state().is("42710"));
        BOOST_TEST(mentions(failure.what(), "every name that was drawn for the slot is in use"));
        core->shut(db::errc::closed);
    });
    sql("select pg_drop_replication_slot('" + name("1") + "')");
}

BOOST_AUTO_TEST_CASE(lock_timeout_is_that_of_the_role_while_streaming)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const core = std::make_shared<db::detail::connection_core>(executor);
        auto with = settings();
        with.conninfo += " options='-c lock_timeout=7s'";
        db::pq::options also;
        also.emplace("replication", "database");
        co_await db::detail::connection_core::connect(core, with, also);
        db::detail::wal_draw draw = [] { return std::uint32_t{7}; };
        db::detail::slot_timeouts const timeouts{1s, 10s};
        auto const made = co_await db::detail::create_slot(core, "test", draw, timeouts);
        BOOST_TEST(made.has_value());
        auto const shown = co_await db::detail::connection_core::command(core, "show lock_timeout");
        BOOST_TEST(shown.text(0, 0) == "7s");
        core->shut(db::errc::closed);
    });
}

// WAL of other databases passes by; the position follows although nothing arrives.
BOOST_AUTO_TEST_CASE(idle_stream_lets_the_server_forget)
{
    auto const other = cluster::shared().create_database();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings(), hasty());
        it.start();
        auto const now = co_await it.next();
        auto const slot = " from pg_replication_slots where slot_name = '" + now.streaming.slot + "'";
        for (int i = 0; i < 3; ++i) {
            cluster::shared().sql("create table t" + std::to_string(i) + " as select generate_series(1, 1000)", other);
            auto const here = sql("select pg_current_wal_lsn()");
            auto const confirmed = [&] { return sql("select confirmed_flush_lsn >= '" + here + "'" + slot) == "t"; };
            co_await it.wait_for(confirmed);
            sql("checkpoint");  // which logs the running transactions
            auto const forgotten = [&] { return sql("select restart_lsn >= '" + here + "'" + slot) == "t"; };
            co_await it.wait_for(forgotten);
        }
        BOOST_TEST(it.stream.counters().transactions == 0u);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(position_waits_for_what_was_not_confirmed)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings(), hasty());
        it.start();
        auto const now = co_await it.next();
        auto const slot = " from pg_replication_slots where slot_name = '" + now.streaming.slot + "'";
        auto const confirmed = [&] { return *db::parse_lsn(sql("select confirmed_flush_lsn" + slot)); };
        auto const several = [&]() -> asio::awaitable<void> {  // statuses have passed
            auto const statuses = it.stream.counters().statuses + 3;
            auto const sent = [&] { return it.stream.counters().statuses >= statuses; };
            co_await it.wait_for(sent);
        };
        emit("a");
        emit("b");
        auto const a = co_await it.next();
        auto const b = co_await it.next();
        emit("c", "other");
        co_await several();
        BOOST_TEST((confirmed() < a.transaction.end));
        it.stream.confirm(a.transaction.end);
        auto const first = [&] { return confirmed() == a.transaction.end; };
        co_await it.wait_for(first);
        co_await several();
        BOOST_TEST((confirmed() == a.transaction.end));
        it.stream.confirm(b.transaction.end);
        auto const all = [&] { return confirmed() > b.transaction.end; };
        co_await it.wait_for(all);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
