// A pool before a real server; what it decides is in pool_core.cpp.

#include <pgtally/db/pool.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;

struct pool_fixture : db_fixture {
    [[nodiscard]] db::pool_config pooled(std::size_t connections, std::string conninfo = cluster::shared().dsn()) const
    {
        db::pool_config made;
        made.connection = settings(std::move(conninfo));
        made.connection.retry.first = 1ms;
        made.connection.retry.cap = 20ms;
        made.max_connections = connections;
        made.acquire_timeout = 60s;
        return made;
    }
};

// A caller of acquire() beside the test.
struct caller {
    bool ended = false;
    db::lease held;
    std::optional<db::error> failure;
    asio::cancellation_signal cancel;

    void start(asio::any_io_executor executor, asio::awaitable<db::lease> acquiring)
    {
        auto handler = asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {});
        asio::co_spawn(executor, take(std::move(acquiring)), std::move(handler));
    }

    asio::awaitable<void> take(asio::awaitable<db::lease> acquiring)
    {
        try {
            held = co_await std::move(acquiring);
        } catch (db::error const& thrown) {
            failure = thrown;
        }
        ended = true;
    }
};

asio::awaitable<void> turns(asio::any_io_executor executor, int count)
{
    for (int i = 0; i < count; ++i) co_await asio::post(executor, asio::use_awaitable);
}

asio::awaitable<void> until_ended(asio::any_io_executor executor, caller const& of)
{
    while (!of.ended) co_await asio::post(executor, asio::use_awaitable);
}

void terminate(db::connection const& conn)
{
    auto const pid = std::to_string(static_cast<int>(conn.backend_pid()));
    cluster::shared().sql("select pg_terminate_backend(" + pid + ", 60000)");  // waits for its end
}

std::string through(proxy const& by)
{
    return "host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(by.port());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_pool, pool_fixture)

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
        // Who comes later does not overtake.
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
        auto held = co_await pool.acquire(clock::now() + 60s);
        caller waits;
        waits.start(executor, pool.acquire());
        while (pool.counters().waiting != 1u) co_await turns(executor, 1);
        auto const refused = co_await failure_of(pool.acquire());
        BOOST_TEST((refused.code() == db::errc::overloaded));
        co_await until_ended(executor, waits);
        BOOST_TEST((waits.failure.value().code() == db::errc::timed_out));
        BOOST_TEST(mentions(waits.failure->what(), "no connection became free in time"));
        auto const late = co_await failure_of(pool.acquire(clock::now() - 1s));
        BOOST_TEST((late.code() == db::errc::timed_out));
        held.give_back();
        auto const at_once = co_await pool.acquire(clock::now() - 1s);
        BOOST_TEST(at_once->is_open());
        BOOST_TEST(pool.counters().waits_timed_out == 2u);
        BOOST_TEST(pool.counters().overloaded == 1u);
    });
}

BOOST_AUTO_TEST_CASE(turn_of_one_who_is_cancelled_goes_to_the_next)
{
    // Cancelled so many turns of the loop after the connection has come back; in the turn before (-1), which then is
    // its own; well before (-2).
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
            first.start(executor, pool.acquire(clock::now() + 1ms));
            second.start(executor, pool.acquire());
            while (pool.counters().waiting != 2u) co_await turns(executor, 1);
            auto const at = clock::now() + 20us * i;
            while (clock::now() < at) co_await asio::post(executor, asio::use_awaitable);
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
    // The context goes before the pool's coroutines have ended, the pool's own handle in between.
    pool.reset();
}

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
        // Nobody noticed, but it is tried.
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
        auto hasty = pooled(1, through(between));
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
        auto wanted = pooled(10, through(between));
        wanted.connection.retry.first = wanted.connection.retry.cap = 100ms;
        db::pool pool(executor, wanted);
        std::vector<caller> callers(50);
        auto const from = clock::now();
        for (auto& each : callers) each.start(executor, pool.acquire(clock::now() + 500ms));
        for (auto const& each : callers) {
            co_await until_ended(executor, each);
            BOOST_TEST((each.failure.value().code() == db::errc::timed_out));
            BOOST_TEST(mentions(each.failure->what(), "the last attempt to connect"));
        }
        // Four at first, then one after each pause, however long this has taken.
        auto const pauses = static_cast<std::size_t>((clock::now() - from) / 100ms);
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
