// Faults at every step of a login.

#include <pgtally/test/db/fault.hpp>

#include <string>
#include <utility>

BOOST_AUTO_TEST_SUITE(test_faults_connect)

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

// Returns true if connected. Otherwise it failed as allowed and is closed.
asio::awaitable<bool> connected(trial& it, db::connection& conn, db::config settings)
{
    bool result = false;
    auto const has_statements = !settings.on_connect.empty();
    try {
        co_await conn.connect(std::move(settings));
        result = true;
    } catch (db::error const& failure) {
        auto const in_statement = has_statements && failure.code() == db::errc::connection_lost;
        it.check_failure(failure, {db::errc::connect_failed, db::errc::timed_out,
                                   in_statement ? db::errc::connection_lost : db::errc::connect_failed});
    }
    it.check(conn.is_open() == result, result ? "connected, but not open" : "open after it failed");
    co_return result;
}

// For a connection that counts as connected. A half-close may come after the last message that matters.
asio::awaitable<void> check_answers(trial& it, db::connection& conn, std::string sql, std::string wanted)
{
    try {
        auto const result = co_await conn.query(std::move(sql));
        it.check(result.text(0, 0) == wanted, "a wrong answer");
    } catch (db::error const& failure) {
        it.check_failure(failure, {db::errc::connection_lost, db::errc::timed_out});
    }
}

fault_options steps_of(fault_options::part part)
{
    fault_options options;
    options.of = part;
    return options;
}

}  // namespace

BOOST_AUTO_TEST_CASE(login_succeeds_or_fails_and_the_next_one_succeeds)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        auto const open = co_await connected(it, conn, std::move(settings));
        if (open) co_await check_answers(it, conn, "select 42", "42");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, steps_of(fault_options::part::login));
}

BOOST_AUTO_TEST_CASE(on_connect_has_run_where_connect_succeeded)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        settings.on_connect = {"set lock_timeout = '8s'; set timezone = 'UTC'", "set statement_timeout = '7s'"};
        auto const open = co_await connected(it, conn, settings);
        if (open) co_await check_answers(it, conn, "show statement_timeout", "7s");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, steps_of(fault_options::part::after_login));
}

BOOST_AUTO_TEST_CASE(password_is_exchanged_or_the_login_fails_for_now)
{
    cluster::shared().sql("create role wary login password 'open-sesame'");
    require_password_of("wary");
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings("host=127.0.0.1 user=wary password=open-sesame dbname=postgres port=" + it.port());
        auto const open = co_await connected(it, conn, settings);
        if (open) co_await check_answers(it, conn, "select 42", "42");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, steps_of(fault_options::part::login));
}

BOOST_AUTO_TEST_CASE(second_host_is_used_when_the_first_one_fails)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings("host=127.0.0.1,127.0.0.1 user=postgres dbname=postgres port=" + it.port() + "," +
                                    std::to_string(cluster::shared().port()));
        co_await conn.connect(settings);
        auto const second = conn.description().find(":" + it.port() + "/") == std::string::npos;
        // A server that no longer hears the client is noticed only at the first statement.
        auto const unnoticed = it.harmless() || (!second && it.plan.what == fault::half_close_server);
        it.check(second != unnoticed, "not the host that works");
        if (second) ++it.failures;
        co_await check_answers(it, conn, "select 42", "42");
    };
    for_each_fault(scenario, steps_of(fault_options::part::login));
}

BOOST_AUTO_TEST_SUITE_END()
