// How a connection ends: closed, destroyed, cancelled, timed out, cut, killed.

#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_connection, db_fixture)

namespace {

// An operation that runs concurrently with the test, and its outcome.
struct outcome {
    bool ended = false;
    std::optional<db::error> failure{};
};

asio::awaitable<void> follow(asio::awaitable<db::result_set> operation, outcome& into)
{
    try {
        co_await std::move(operation);
    } catch (db::error const& caught) {
        into.failure = caught;
    }
    into.ended = true;
}

// Waits until the server runs the statement of that backend.
asio::awaitable<void> until_busy(db::connection& watch, db::backend_pid pid)
{
    for (;;) {
        auto const rows = co_await watch.query_as<std::tuple<bool>>(
            "select exists (select from pg_stat_activity where pid = $1 and state = 'active')",
            static_cast<std::int32_t>(pid));
        if (std::get<0>(rows.one())) co_return;
    }
}

asio::awaitable<void> until_ended(db::connection& watch, outcome const& of)
{
    while (!of.ended) co_await watch.query("select 1");
}

// Two connections, one of which runs a statement without end.
template <class Act>
outcome interrupted(db::config settings, db::config watch_settings, Act act)
{
    outcome result;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        db::connection watch(executor);
        co_await conn.connect(settings);
        co_await watch.connect(watch_settings);
        spawn(executor, follow(conn.query("select pg_sleep(1000)"), result));
        co_await until_busy(watch, conn.backend_pid());
        co_await act(conn, watch);
        while (!result.ended) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(!conn.is_open());
        // The object can be used again.
        co_await conn.connect(watch_settings);
        auto const rows = co_await conn.query_as<std::tuple<bool>>("select true");
        BOOST_TEST(std::get<0>(rows.one()));
    });
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(operations_on_a_closed_connection_fail)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const never = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((never.code() == db::errc::closed));
        co_await conn.connect(settings());
        conn.close();
        conn.close();
        auto const query = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((query.code() == db::errc::closed));
        auto const script = co_await failure_of(conn.script("select 1"));
        BOOST_TEST((script.code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(second_operation_at_once_is_refused)
{
    auto const first =
        interrupted(settings(), settings(), [&](db::connection& conn, db::connection&) -> asio::awaitable<void> {
            auto const query = co_await failure_of(conn.query("select 1"));
            BOOST_TEST((query.code() == db::errc::busy));
            auto const connect = co_await failure_of(conn.connect(settings()));
            BOOST_TEST((connect.code() == db::errc::busy));
            BOOST_TEST(conn.is_open());
            conn.close();
        });
    BOOST_TEST((first.failure.value().code() == db::errc::closed));
}

BOOST_AUTO_TEST_CASE(terminated_backend_is_a_lost_connection_with_its_reason)
{
    auto const killed =
        interrupted(settings(), settings(), [&](db::connection& conn, db::connection& watch) -> asio::awaitable<void> {
            co_await watch.query("select pg_terminate_backend($1)", static_cast<std::int32_t>(conn.backend_pid()));
        });
    BOOST_TEST((killed.failure.value().code() == db::errc::connection_lost));
    BOOST_TEST(killed.failure->state().is("57P01"));
    BOOST_TEST(mentions(killed.failure->what(), "terminating connection due to administrator command"));
    BOOST_TEST(killed.failure->statement() == "select pg_sleep(1000)");
}

BOOST_AUTO_TEST_CASE(backend_terminated_while_idle_is_noticed_by_the_next_query)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const pid = std::to_string(static_cast<int>(conn.backend_pid()));
        cluster::shared().sql("select pg_terminate_backend(" + pid + ", 60000)");  // waits for the end of the backend
        auto const lost = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((lost.code() == db::errc::connection_lost));
        BOOST_TEST(lost.state().is("57P01"));
        BOOST_TEST(!conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(stopped_and_crashed_server_is_a_lost_connection)
{
    for (auto const how : {cluster::how::fast, cluster::how::immediate}) {
        auto const lost =
            interrupted(settings(), settings(), [&](db::connection&, db::connection&) -> asio::awaitable<void> {
                cluster::shared().stop(how);
                cluster::shared().start();
                co_return;
            });
        BOOST_TEST((lost.failure.value().code() == db::errc::connection_lost));
        BOOST_TEST(lost.failure->state().in_class("57"));
    }
}

BOOST_AUTO_TEST_CASE(cut_socket_is_a_lost_connection)
{
    proxy between(cluster::shared().port());
    auto const lost = interrupted(settings(between.dsn()), settings(),
                                  [&](db::connection&, db::connection&) -> asio::awaitable<void> {
                                      between.cut();
                                      co_return;
                                  });
    BOOST_TEST((lost.failure.value().code() == db::errc::connection_lost));
    BOOST_TEST(lost.failure->state().empty());
}

BOOST_AUTO_TEST_CASE(half_closed_socket_is_a_lost_connection)
{
    proxy between(cluster::shared().port());
    auto const lost = interrupted(settings(between.dsn()), settings(),
                                  [&](db::connection&, db::connection&) -> asio::awaitable<void> {
                                      between.half_close();
                                      co_return;
                                  });
    BOOST_TEST((lost.failure.value().code() == db::errc::connection_lost));
}

BOOST_AUTO_TEST_CASE(deadline_ends_with_its_operation)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        conn.set_timeout(2s);
        co_await conn.query("select 1");
        // The time of the deadline passes while no operation is in progress.
        asio::steady_timer later(executor, 2100ms);
        co_await later.async_wait(asio::use_awaitable);
        BOOST_TEST(conn.is_open());
        conn.set_timeout(0ms);
        co_await conn.query("select 1");
    });
}

BOOST_AUTO_TEST_CASE(deadline_hits_while_sending_too)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(between.dsn()));
        between.stall();
        conn.set_timeout(200ms);
        auto const late = co_await failure_of(conn.query("select $1", std::string(50'000'000, 'x')));
        BOOST_TEST((late.code() == db::errc::timed_out));
    });
}

BOOST_AUTO_TEST_CASE(cancelled_while_sending)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(between.dsn()));
        between.stall();
        outcome result;
        asio::cancellation_signal cancel;
        auto ended = asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {});
        auto sending = conn.query("select $1", std::string(50'000'000, 'x'));
        asio::co_spawn(executor, follow(std::move(sending), result), std::move(ended));
        co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(!result.ended);
        cancel.emit(asio::cancellation_type::terminal);
        while (!result.ended) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST((result.failure.value().code() == asio::error::operation_aborted));
    });
}

BOOST_AUTO_TEST_CASE(destroyed_object_ends_its_operation)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection watch(executor);
        co_await watch.connect(settings());
        outcome result;
        {
            db::connection conn(executor);
            co_await conn.connect(settings());
            spawn(executor, follow(conn.query("select pg_sleep(1000)"), result));
            co_await until_busy(watch, conn.backend_pid());
        }
        co_await until_ended(watch, result);
        BOOST_TEST((result.failure.value().code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(closed_while_connecting)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    for (std::string const host : {"127.0.0.1", "localhost"}) {  // the latter waits for the resolver
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            auto settled =
                settings("user=postgres dbname=postgres host=" + host + " port=" + std::to_string(silent.port()));
            asio::post(executor, [&] { conn.close(); });
            auto const closed = co_await failure_of(conn.connect(settled));
            BOOST_TEST((closed.code() == db::errc::closed));
            BOOST_TEST(!conn.is_open());
            // A late answer of the resolver to the first lookup does not count for the second one.
            co_await conn.connect(settings("user=postgres dbname=postgres host=" + host +
                                           " port=" + std::to_string(cluster::shared().port())));
            BOOST_TEST(conn.is_open());
        });
    }
}

BOOST_AUTO_TEST_CASE(cancelled_while_connecting)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    for (int turns = 0; turns < 12; ++turns) {  // that many steps further each time
        std::string const host = turns % 2 == 0 ? "127.0.0.1" : "localhost";
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            auto const settled =
                settings("user=postgres dbname=postgres host=" + host + " port=" + std::to_string(silent.port()));
            asio::cancellation_signal cancel;
            db::error_code failure;
            bool ended = false;
            auto connect = [&]() -> asio::awaitable<void> {
                try {
                    co_await conn.connect(settled);
                } catch (boost::system::system_error const& caught) {
                    failure = caught.code();
                }
                ended = true;
            };
            auto handler = asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {});
            asio::co_spawn(executor, connect(), std::move(handler));
            for (int turn = 0; turn < turns; ++turn) co_await asio::post(executor, asio::use_awaitable);
            cancel.emit(asio::cancellation_type::terminal);
            while (!ended) co_await asio::post(executor, asio::use_awaitable);
            BOOST_TEST((failure == asio::error::operation_aborted));
            BOOST_TEST(!conn.is_open());
        });
    }
}

BOOST_AUTO_TEST_CASE(context_may_end_before_its_operations)
{
    outcome result;
    {
        asio::io_context context;
        db::connection conn(context.get_executor());
        auto body = [&]() -> asio::awaitable<void> {
            co_await conn.connect(settings());
            co_await follow(conn.query("select pg_sleep(1000)"), result);
        };
        spawn(context.get_executor(), body());
        while (!conn.is_open()) context.run_one();
        context.poll();
    }
    BOOST_TEST(!result.ended);
}

BOOST_AUTO_TEST_CASE(moved_connection_takes_everything_along)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection first(executor);
        co_await first.connect(settings());
        auto const pid = first.backend_pid();
        db::connection second(std::move(first));
        BOOST_TEST((second.backend_pid() == pid));
        db::connection third(executor);
        co_await third.connect(settings());
        third = std::move(second);
        BOOST_TEST((third.backend_pid() == pid));
        auto const rows = co_await third.query_as<std::tuple<bool>>("select true");
        BOOST_TEST(rows.size() == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
