// Faults while a connection recovers from a statement that was given up, and stalls that end.

#include <pgtally/test/db/fault.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>

BOOST_AUTO_TEST_SUITE(test_faults_recovery)

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// The next statement: it gets its own answer, or an error that says that the connection was closed.
asio::awaitable<void> check_next(trial& it, db::connection& conn)
{
    auto const hasty = it.stalls() && !it.proxy.struck();  // the stall is still to come
    if (!hasty) conn.set_timeout(it.patient_settings().query_timeout);
    if (it.stalls() && !hasty) it.proxy.pass();
    bool closed = false;
    try {
        auto const rows = co_await conn.query_as<std::tuple<std::int32_t>>("select $1::int", it.number);
        it.check(std::get<0>(rows.one()) == it.number, "the answer of another statement");
    } catch (db::error const& failure) {
        closed = true;
        auto const ours = failure.code() == db::errc::closed || failure.code() == db::errc::timed_out ||
                          failure.code() == db::errc::connection_lost;
        it.check(ours && !it.harmless() && (hasty || !conn.is_open()), failure.what());
    }
    if (closed) co_await check_connects_again(it, conn);
}

}  // namespace

BOOST_AUTO_TEST_CASE(silence_that_ends_after_the_deadline_confuses_no_answers)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        settings.recovery_timeout = 20s;
        co_await conn.connect(settings);
        it.claim(it.token(), {0, 1});
        using row = std::tuple<std::int32_t>;
        auto insert = conn.query_as<row>("insert into ledger values ($1) returning -1", it.token());
        auto const rows = co_await result_of(it, conn, std::move(insert));
        if (rows) it.claim(it.token(), {1});
        co_await check_next(it, conn);
    };
    auto options = after_login();
    options.faults = {fault::stall};
    options.steps_vary = true;  // the steps after the recovery count too
    for_each_fault(scenario, options);
}

BOOST_AUTO_TEST_CASE(connection_that_asks_the_server_to_stop_may_fail)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        settings.connect_timeout = it.patient_settings().connect_timeout;
        settings.query_timeout = 50ms;
        if (it.stalls()) settings.recovery_timeout = 600ms;
        co_await conn.connect(settings);
        auto const late = co_await failure_of(conn.query("select pg_sleep(0.3)"));
        ++it.failures;
        it.check(late.code() == db::errc::timed_out, late.what());
        co_await check_next(it, conn);
    };
    fault_options options;
    options.connection = 2;
    options.at_once = 24;
    options.steps_vary = true;  // if everything is slow, the statement ends before it can be cancelled
    for_each_fault(scenario, options);
}

BOOST_AUTO_TEST_SUITE_END()
