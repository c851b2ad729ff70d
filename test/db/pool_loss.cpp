// How a pool handles connections and servers that have failed.

#include <pgtally/test/db/pool.hpp>

#include <boost/asio/steady_timer.hpp>

#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
BOOST_FIXTURE_TEST_SUITE(test_pool_loss, pool_fixture)

using steady = std::chrono::steady_clock;

BOOST_AUTO_TEST_CASE(terminated_backends_are_replaced)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto trying = pooled(1);
        trying.idle_check_after = 1ms;
        db::pool pool(executor, trying);
        {
            auto const held = co_await pool.acquire();
            co_await held->query("select 1");
            terminate(*held);
            auto const lost = co_await failure_of(held->query("select 1"));
            BOOST_TEST((lost.code() == db::errc::connection_lost));
        }
        db::backend_pid idle{};
        {
            auto const held = co_await pool.acquire();
            idle = held->backend_pid();
            BOOST_TEST(held->is_open());
        }
        cluster::shared().sql("select pg_terminate_backend(" + std::to_string(static_cast<int>(idle)) + ", 60000)");
        // The loss was not noticed, but the connection is tested.
        co_await pool.query("select 1");
        BOOST_TEST(pool.counters().connects == 3u);
        BOOST_TEST(pool.counters().lost == 2u);
        BOOST_TEST(log->contain("an idle connection does not answer"));
    });
}

BOOST_AUTO_TEST_CASE(connection_left_in_a_transaction_is_rolled_back_before_the_next)
{
    cluster::shared().sql("create table left_behind (id int)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(1));
        for (bool const aborted : {false, true}) {
            {
                auto const held = co_await pool.acquire();
                co_await held->query("begin");
                co_await held->query("insert into left_behind values (1)");
                if (aborted) co_await failure_of(held->query("select 1/0"));
            }
            auto const held = co_await pool.acquire();
            BOOST_TEST(!held->in_transaction());
            auto const rows = co_await held->query("select * from left_behind");
            BOOST_TEST(rows.empty());
        }
        {
            auto const held = co_await pool.acquire();
            auto const tx = co_await db::begin(*held);
        }
        co_await pool.query("select 1");
        BOOST_TEST(pool.counters().cleaned == 3u);
        BOOST_TEST(pool.counters().connects == 1u);
        BOOST_TEST(!log->contain("no transaction in progress"));
    });
    cluster::shared().sql("drop table left_behind");
}

BOOST_AUTO_TEST_CASE(rollback_that_takes_too_long_closes_the_connection)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto hasty = pooled(1, between.dsn());
        hasty.cleanup_timeout = 50ms;
        db::pool pool(executor, hasty);
        {
            auto const held = co_await pool.acquire();
            co_await held->query("begin");
            between.stall();
        }
        while (pool.counters().lost != 1u) co_await turns(executor, 1);
        between.pass();
        auto const held = co_await pool.acquire();
        BOOST_TEST(pool.counters().connects == 2u);
    });
}

BOOST_AUTO_TEST_CASE(lease_given_back_in_the_middle_of_a_statement_is_closed)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(1));
        bool ended = false;
        auto const sleep = [&](db::connection& conn) -> asio::awaitable<void> {
            auto const failure = co_await failure_of(conn.query("select pg_sleep(1000)"));
            BOOST_TEST((failure.code() == db::errc::closed));
            ended = true;
        };
        auto held = co_await pool.acquire();
        auto const pid = std::to_string(static_cast<int>(held->backend_pid()));
        spawn(executor, sleep(*held));
        co_await asio::post(executor, asio::use_awaitable);
        held.give_back();
        while (!ended) co_await turns(executor, 1);
        cluster::shared().sql("select pg_terminate_backend(" + pid + ")");
        co_await pool.query("select 1");
        BOOST_TEST(pool.counters().connects == 2u);
    });
}

BOOST_AUTO_TEST_CASE(discarded_lease_and_on_return)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto tidy = pooled(1);
        tidy.on_return = {"discard all", "set application_name = 'tidy'"};
        db::pool pool(executor, tidy);
        {
            auto held = co_await pool.acquire();
            co_await held->query("create temporary table mine (id int)");
            co_await held->query("begin");
        }
        {
            auto held = co_await pool.acquire();
            auto const gone = co_await failure_of(held->query("select * from mine"));
            BOOST_TEST(gone.state().is("42P01"));
            auto const rows = co_await held->query("show application_name");
            BOOST_TEST(rows.text(0, 0) == "tidy");
            held.discard();
        }
        BOOST_TEST(pool.counters().idle == 0u);
        BOOST_TEST(pool.counters().discarded == 1u);
        auto bad = pooled(1);
        bad.on_return = {"select 1/0"};
        db::pool failing(executor, bad);
        co_await failing.query("select 1");
        co_await failing.query("select 1");
        BOOST_TEST(failing.counters().connects == 2u);
        BOOST_TEST(log->contain("cannot be used again"));
    });
}

BOOST_AUTO_TEST_CASE(permanent_failure_reaches_all_who_wait_and_come_at_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto wrong = pooled(2, cluster::shared().dsn("no_such_database"));
        wrong.connection.retry.first = wrong.connection.retry.cap = 60s;
        db::pool pool(executor, wrong);
        std::vector<caller> callers(5);
        for (auto& each : callers) each.start(executor, pool.acquire());
        for (auto const& each : callers) {
            co_await until_ended(executor, each);
            BOOST_TEST((each.failure.value().code() == db::errc::login_failed));
            BOOST_TEST(each.failure->state().is("3D000"));
        }
        auto const later = co_await failure_of(pool.acquire());
        BOOST_TEST((later.code() == db::errc::login_failed));
        BOOST_TEST(pool.counters().connect_failures <= 2u);
    });
}

BOOST_AUTO_TEST_CASE(no_storm_at_a_server_that_is_down)
{
    cluster own;
    proxy between(own.port());
    own.stop();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto wanted = pooled(10, between.dsn());
        wanted.connection.retry.first = wanted.connection.retry.cap = 100ms;
        db::pool pool(executor, wanted);
        std::vector<caller> callers(50);
        auto const from = steady::now();
        for (auto& each : callers) each.start(executor, pool.acquire(steady::now() + 500ms));
        for (auto const& each : callers) {
            co_await until_ended(executor, each);
            BOOST_TEST((each.failure.value().code() == db::errc::timed_out));
            BOOST_TEST(mentions(each.failure->what(), "the last attempt to connect"));
        }
        // Four at first, then one after each pause, however long that takes.
        auto const pauses = static_cast<std::size_t>((steady::now() - from) / 100ms);
        BOOST_TEST(between.accepted() <= 4 + pauses + 1);
        BOOST_TEST(between.accepted() >= 5u);
        BOOST_TEST(pool.counters().waits_timed_out == 50u);
    });
}

BOOST_AUTO_TEST_CASE(waiters_wait_until_the_server_is_back)
{
    cluster own;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(3, own.dsn()));
        std::vector<db::lease> held(3);
        for (auto& each : held) {
            each = co_await pool.acquire();
            co_await each->query("select 1");
        }
        own.stop();
        for (auto& each : held) {
            auto const lost = co_await failure_of(each->query("select 1"));
            BOOST_TEST((lost.code() == db::errc::connection_lost));
        }
        std::vector<caller> callers(6);
        for (auto& each : callers) each.start(executor, pool.acquire());
        while (pool.counters().waiting != 6u) co_await turns(executor, 1);
        held.clear();
        while (pool.counters().connect_failures < 3u) co_await turns(executor, 1);
        for (auto const& each : callers) BOOST_TEST(!each.ended);
        own.start();
        for (auto& each : callers) {
            co_await until_ended(executor, each);
            BOOST_TEST(!each.failure.has_value());
            each.held.give_back();
        }
        BOOST_TEST(pool.counters().in_use_max <= 3u);
    });
}

BOOST_AUTO_TEST_CASE(fail_fast_does_not_wait_for_the_server)
{
    cluster own;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto hasty = pooled(2, own.dsn());
        hasty.fail_fast = true;
        db::pool pool(executor, hasty);
        own.stop();
        for (int i = 0; i < 5; ++i) {  // by its own attempt, or by the last one
            auto const failure = co_await failure_of(pool.query("select 1"));
            BOOST_TEST((failure.code() == db::errc::connect_failed));
        }
        BOOST_TEST(pool.counters().waits_timed_out == 0u);
        own.start();
        for (;;) {
            auto const failure = co_await outcome_of(pool.query("select 1"));
            if (!failure) break;
            BOOST_TEST((failure->code() == db::errc::connect_failed));
            co_await asio::post(executor, asio::use_awaitable);
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
