// A pool with a real server. The tests of its decisions are in pool_core.cpp.

#include <pgtally/test/db/pool.hpp>

#include <boost/asio/steady_timer.hpp>

#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
BOOST_FIXTURE_TEST_SUITE(test_pool, pool_fixture)

using steady = std::chrono::steady_clock;

BOOST_AUTO_TEST_CASE(connection_is_kept_for_the_next)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(2));
        db::backend_pid first{};
        {
            auto const held = co_await pool.acquire();
            first = held->backend_pid();
            BOOST_TEST(pool.counters().in_use == 1u);
        }
        auto const rows = co_await pool.query_as<std::tuple<std::int32_t>>("select pg_backend_pid() + $1", 0);
        BOOST_TEST((db::backend_pid(std::get<0>(rows.one())) == first));
        auto const text = co_await pool.query("select $1", "this");
        BOOST_TEST(text.text(0, 0) == "this");
        auto const failed = co_await failure_of(pool.query("select 1/0"));
        BOOST_TEST(failed.state().is("22012"));
        auto const counters = pool.counters();
        BOOST_TEST(counters.connects == 1u);
        BOOST_TEST(counters.acquired == 4u);
        BOOST_TEST(counters.idle == 1u);
        BOOST_TEST(counters.in_use == 0u);
        BOOST_TEST(mentions(pool.description(), "/postgres as postgres"));
    });
}

BOOST_AUTO_TEST_CASE(line_is_served_in_order)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(1));
        auto first = co_await pool.acquire();
        std::vector<int> served;
        auto const serve = [&](int number) -> asio::awaitable<void> {
            auto const held = co_await pool.acquire();
            served.push_back(number);
            co_await held->query("select 1");
        };
        for (int i = 0; i < 20; ++i) spawn(executor, serve(i));
        while (pool.counters().waiting != 20u) co_await turns(executor, 1);
        first.give_back();
        BOOST_TEST(!first);
        // Later callers do not overtake.
        auto const last = co_await pool.acquire();
        std::vector<int> wanted;
        for (int i = 0; i < 20; ++i) wanted.push_back(i);
        BOOST_TEST(served == wanted, boost::test_tools::per_element());
        BOOST_TEST(pool.counters().connects == 1u);
        BOOST_TEST(pool.counters().waiting_max == 20u);
    });
}

BOOST_AUTO_TEST_CASE(too_many_who_wait_are_refused_and_late_ones_time_out)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto few = pooled(1);
        few.max_waiting = 1;
        few.acquire_timeout = 50ms;
        db::pool pool(executor, few);
        auto held = co_await pool.acquire(steady::now() + 60s);
        caller waits;
        waits.start(executor, pool.acquire());
        while (pool.counters().waiting != 1u) co_await turns(executor, 1);
        auto const refused = co_await failure_of(pool.acquire());
        BOOST_TEST((refused.code() == db::errc::overloaded));
        co_await until_ended(executor, waits);
        BOOST_TEST((waits.failure.value().code() == db::errc::timed_out));
        BOOST_TEST(mentions(waits.failure->what(), "no connection became free in time"));
        auto const late = co_await failure_of(pool.acquire(steady::now() - 1s));
        BOOST_TEST((late.code() == db::errc::timed_out));
        held.give_back();
        auto const at_once = co_await pool.acquire(steady::now() - 1s);
        BOOST_TEST(at_once->is_open());
        BOOST_TEST(pool.counters().waits_timed_out == 2u);
        BOOST_TEST(pool.counters().overloaded == 1u);
    });
}

BOOST_AUTO_TEST_CASE(turn_of_one_who_is_cancelled_goes_to_the_next)
{
    // Cancelled that many turns of the event loop after the connection has been returned; in the turn before
    // (-1), in which it is its own; long before (-2).
    for (int after = -2; after < 6; ++after) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::pool pool(executor, pooled(1));
            auto held = co_await pool.acquire();
            caller first;
            caller second;
            first.start(executor, pool.acquire());
            second.start(executor, pool.acquire());
            while (pool.counters().waiting != 2u) co_await turns(executor, 1);
            if (after < 0) first.cancel.emit(asio::cancellation_type::terminal);
            if (after == -2) co_await until_ended(executor, first);
            held.give_back();
            if (after >= 0) {
                co_await turns(executor, after);
                first.cancel.emit(asio::cancellation_type::terminal);
            }
            co_await until_ended(executor, first);
            if (after == -2) BOOST_TEST((first.failure.value().code() == asio::error::operation_aborted));
            first.held.give_back();  // if it had it
            co_await until_ended(executor, second);
            BOOST_TEST(second.held->is_open());
            BOOST_TEST(pool.counters().connects == 1u);
        });
    }
}

BOOST_AUTO_TEST_CASE(turn_of_one_whose_deadline_passes_in_it_goes_to_the_next)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(1));
        for (int i = 0; i < 50; ++i) {
            auto held = co_await pool.acquire();
            caller first;
            caller second;
            first.start(executor, pool.acquire(steady::now() + 1ms));
            second.start(executor, pool.acquire());
            while (pool.counters().waiting != 2u) co_await turns(executor, 1);
            auto const at = steady::now() + 20us * i;
            while (steady::now() < at) co_await asio::post(executor, asio::use_awaitable);
            held.give_back();
            co_await until_ended(executor, first);
            first.held.give_back();
            co_await until_ended(executor, second);
            BOOST_TEST(second.held->is_open());
        }
        BOOST_TEST(pool.counters().connects == 1u);
    });
}

BOOST_AUTO_TEST_CASE(connection_made_for_one_who_left_is_the_next_ones)
{
    for (int after = 0; after < 12; ++after) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::pool pool(executor, pooled(1));
            caller first;
            first.start(executor, pool.acquire());
            co_await turns(executor, after);
            first.cancel.emit(asio::cancellation_type::terminal);
            co_await until_ended(executor, first);
            first.held.give_back();
            auto const second = co_await pool.acquire();
            BOOST_TEST(second->is_open());
            BOOST_TEST(pool.counters().connects == 1u);
        });
    }
}

BOOST_AUTO_TEST_CASE(frame_destroyed_in_line_leaves_it)
{
    asio::io_context context;
    auto pool = std::make_optional<db::pool>(context.get_executor(), pooled(1));
    {
        auto never_started = pool->acquire();
    }
    BOOST_TEST(pool->counters().waiting == 0u);
    auto const wait = [&]() -> asio::awaitable<void> {
        auto const held = co_await pool->acquire();
        auto const tx = co_await db::begin(*held);
        co_await pool->acquire();
    };
    spawn(context.get_executor(), wait());
    while (pool->counters().waiting == 0u || pool->counters().in_use == 0u) context.run_one();
    // The context is destroyed before the pool's coroutines have ended, and the pool's handle in between.
    pool.reset();
}

BOOST_AUTO_TEST_CASE(server_is_never_asked_for_more_than_the_limit)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto named = pooled(3);
        named.connection.application_name = "pgtally pool limit";
        db::pool pool(executor, named);
        int done = 0;
        std::int64_t most = 0;
        auto const work = [&](int number) -> asio::awaitable<void> {
            for (int i = 0; i < 10; ++i) {
                auto held = co_await pool.acquire();
                auto const rows = co_await held->query_as<std::tuple<std::int64_t>>(
                    "select count(*) from pg_stat_activity where application_name = 'pgtally pool limit'");
                most = std::max(most, std::get<0>(rows.one()));
                if ((number + i) % 7 == 0) co_await held->query("begin");
            }
            ++done;
        };
        for (int i = 0; i < 20; ++i) spawn(executor, work(i));
        while (done != 20) co_await turns(executor, 1);
        BOOST_TEST(most == 3);
        BOOST_TEST(pool.counters().connects == 3u);
        BOOST_TEST(pool.counters().acquired == 200u);
    });
}

BOOST_AUTO_TEST_CASE(stopped_pool_fails_callers_and_its_leases_live_on)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        std::optional<db::pool> pool(std::in_place, executor, pooled(1));
        auto held = co_await pool->acquire();
        caller waits;
        waits.start(executor, pool->acquire());
        while (pool->counters().waiting != 1u) co_await turns(executor, 1);
        pool->stop();
        pool->stop();
        co_await until_ended(executor, waits);
        BOOST_TEST((waits.failure.value().code() == db::errc::closed));
        auto const refused = co_await failure_of(pool->acquire());
        BOOST_TEST((refused.code() == db::errc::closed));
        pool.reset();
        co_await held->query("select 1");
        co_await held->query("begin");
        auto moved = std::move(held);
        BOOST_TEST(!held);
        moved = db::lease();
        BOOST_TEST(!moved);
    });
}

BOOST_AUTO_TEST_CASE(pool_destroyed_while_it_connects_and_cleans)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        for (int after = 0; after < 10; ++after) {
            caller waits;
            {
                db::pool pool(executor, pooled(1));
                waits.start(executor, pool.acquire());
                co_await turns(executor, after);
            }
            co_await until_ended(executor, waits);
            BOOST_TEST((waits.failure || waits.held));
            std::optional<db::pool> pool(std::in_place, executor, pooled(1));
            {
                auto const held = co_await pool->acquire();
                co_await held->query("begin");
            }
            co_await turns(executor, after);
            pool.reset();
        }
    });
}

BOOST_AUTO_TEST_CASE(idle_and_old_connections_are_closed_and_some_kept_ready)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto aging = pooled(3);
        aging.min_idle = 1;
        aging.max_idle = 20ms;
        db::pool pool(executor, aging);
        {
            auto const first = co_await pool.acquire();
            auto const second = co_await pool.acquire();
            while (pool.counters().idle != 1u) co_await turns(executor, 1);
        }
        while (pool.counters().expired != 2u) co_await turns(executor, 1);
        BOOST_TEST(pool.counters().idle == 1u);
        auto old = pooled(1);
        old.max_lifetime = 20ms;
        db::pool aged(executor, old);
        co_await aged.query("select 1");
        while (aged.counters().expired != 1u) co_await turns(executor, 1);
        BOOST_TEST(aged.counters().idle == 0u);
    });
}

BOOST_AUTO_TEST_CASE(transaction_of_a_pool)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool pool(executor, pooled(1));
        db::transaction_options strict;
        strict.level = db::isolation::serializable;
        auto const body = [](db::transaction& tx) -> asio::awaitable<std::string> {
            auto const rows = co_await tx.query("show transaction_isolation");
            co_return std::string(rows.text(0, 0));
        };
        auto const level = co_await pool.in_transaction(strict, body);
        BOOST_TEST(level == "serializable");
        int calls = 0;
        auto const failing = [&](db::connection& conn) -> asio::awaitable<void> {
            ++calls;
            co_await conn.query("do $$ begin raise exception 'as if' using errcode = '40001'; end $$");
        };
        db::retry_options retry;
        retry.attempts = 3;
        auto const failed = co_await failure_of(pool.in_transaction(strict, retry, failing));
        BOOST_TEST(failed.state().is("40001"));
        BOOST_TEST(calls == 3);
        BOOST_TEST(pool.counters().idle == 1u);
        BOOST_TEST(pool.counters().connects == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
