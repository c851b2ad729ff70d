// What a wal_stream does beyond its limits.

#include <pgtally/test/db/wal_subject.hpp>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_wal_stream_limits, wal_fixture)

BOOST_AUTO_TEST_CASE(queue_that_overflows_asks_to_load_again)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::wal_stream_limits limits;
        limits.max_queued = 100;
        limits.status_interval = std::chrono::milliseconds{10};
        wal_subject it(executor, settings(), limits);
        it.start();
        auto const first = co_await it.next();
        auto const slot = " from pg_replication_slots where slot_name = '" + first.streaming.slot + "'";
        for (int i = 1; i <= 250; ++i) emit(std::to_string(i));
        auto const arrived = [&] { return it.stream.counters().transactions == 250; };
        co_await it.wait_for(arrived);
        auto const again = co_await it.next();
        BOOST_TEST(again.text == "+");
        BOOST_TEST(again.streaming.slot == first.streaming.slot);
        BOOST_TEST(it.stream.counters().overflows == 2u);
        BOOST_TEST(it.stream.counters().connects == 1u);
        // 101 and 202 did not fit and were dropped with those before them.
        auto got = co_await it.next();
        for (int i = 203; i <= 250; ++i) {
            BOOST_REQUIRE(got.text == std::to_string(i));
            if (i < 250) got = co_await it.next();
        }
        it.stream.confirm(got.transaction.end);
        auto const confirmed = [&] {
            return sql("select confirmed_flush_lsn >= '" + db::to_string(got.transaction.end) + "'" + slot) == "t";
        };
        co_await it.wait_for(confirmed);
        it.stream.stop();
    });
    BOOST_TEST(log->contain("too many transactions are queued; load again"));
}

BOOST_AUTO_TEST_CASE(queue_of_too_many_bytes_overflows_likewise)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::wal_stream_limits limits;
        limits.max_queued_bytes = 10'000;
        wal_subject it(executor, settings(), limits);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        for (int i = 1; i <= 3; ++i) sql("select pg_logical_emit_message(true, 'test', repeat('x', 4000))");
        emit("last");
        auto const arrived = [&] { return it.stream.counters().transactions == 4; };
        co_await it.wait_for(arrived);
        BOOST_TEST((co_await it.next_text()) == "+");
        BOOST_TEST((co_await it.next_text()) == "last");
        BOOST_TEST(it.stream.counters().overflows == 1u);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(transaction_that_is_too_large_comes_without_its_messages)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::wal_stream_limits limits;
        limits.max_transaction_bytes = 100'000;
        wal_subject it(executor, settings(), limits);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        sql("select pg_logical_emit_message(true, 'test', repeat('x', 1000)) from generate_series(1, 200)");
        emit("a");
        auto const large = co_await it.next();
        BOOST_TEST(large.text == "incomplete");
        auto const after = co_await it.next();
        BOOST_TEST(after.text == "a");
        BOOST_TEST((large.transaction.end <= after.transaction.commit));
        BOOST_TEST(it.stream.counters().incomplete == 1u);
        BOOST_TEST(it.stream.counters().messages == 201u);
        it.stream.stop();
    });
}

// More than logical_decoding_work_mem: the server spills it.
BOOST_AUTO_TEST_CASE(transaction_that_spills_comes_whole)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto small = settings();
        small.on_connect = {"set logical_decoding_work_mem = '64kB'"};
        wal_subject it(executor, small);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        sql("select pg_logical_emit_message(true, 'test', i || repeat('x', 1000)) from generate_series(1, 5000) i");
        auto const got = co_await it.next_text();
        std::string wanted;
        for (int i = 1; i <= 5000; ++i) wanted += (i > 1 ? " " : "") + std::to_string(i) + std::string(1000, 'x');
        BOOST_TEST((got == wanted));
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
