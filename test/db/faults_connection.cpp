// Faults at every step of a connection's operations: statements, scripts, transactions, large results.

#include <pgtally/test/db/fault.hpp>

#include <cstdint>
#include <optional>
#include <tuple>

BOOST_AUTO_TEST_SUITE(test_faults_connection)

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

asio::awaitable<bool> succeeded(trial& it, db::connection& conn, std::string script)
{
    bool result = false;
    try {
        co_await conn.script(std::move(script));
        result = true;
    } catch (db::error const& failure) {
        it.check_failure(failure, {db::errc::connection_lost, db::errc::timed_out});
    }
    co_return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(query_gives_the_right_rows_or_an_error)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        using row = std::tuple<std::int32_t, std::string>;
        auto query = conn.query_as<row>("select i, 'row ' || i from generate_series(1, $1::int) i", 3);
        auto const rows = co_await result_of(it, conn, std::move(query));
        if (rows) {
            it.check(rows->size() == 3, "not three rows");
            std::int32_t i = 0;
            for (auto const& [number, text] : *rows) {
                ++i;
                it.check(number == i && text == "row " + std::to_string(i), "a wrong row");
            }
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(insert_that_is_acknowledged_is_there_and_no_other_twice)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        it.claim(it.token(), {0, 1});
        using row = std::tuple<std::string>;
        auto insert = conn.query_as<row>("insert into ledger values ($1) returning token", it.token());
        auto const rows = co_await result_of(it, conn, std::move(insert));
        if (rows) {
            it.check(std::get<0>(rows->one()) == it.token(), "a wrong answer");
            it.claim(it.token(), {1});
        }
        // A statement that fails because the connection is closed was not sent.
        if (!rows && !conn.is_open()) {
            auto const refused = co_await failure_of(conn.query("insert into ledger values ($1)", it.token(1)));
            it.check(refused.code() == db::errc::closed, refused.what());
            it.claim(it.token(1), {0});
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(server_error_is_the_servers_or_a_loss)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        auto const failed = co_await failure_of(conn.query("select 1 / ($1::int - $1::int)", 1));
        auto const told = failed.code() == db::errc::server_error;
        if (told) it.check(failed.state().is("22012"), failed.what());
        else it.check_failure(failed, {db::errc::connection_lost, db::errc::timed_out});
        it.check(told || failed.code() == db::errc::timed_out || !conn.is_open(), "open after it was lost");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(script_is_all_or_nothing)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        it.claim(it.token(), {0, 2});
        auto const insert = "insert into ledger values ('" + it.token() + "');";
        auto const done = co_await succeeded(it, conn, insert + insert);
        if (done) it.claim(it.token(), {2});
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(transaction_is_there_when_its_commit_is_acknowledged_and_never_in_part)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        it.claim(it.token(), {0});
        bool whole = true;
        for (std::string const sql : {"begin", "insert into ledger values ($1)", "insert into ledger values ($1)"}) {
            auto query = sql == "begin" ? conn.query(sql) : conn.query(sql, it.token());
            auto const result = co_await result_of(it, conn, std::move(query));
            whole = result.has_value();
            if (!whole) break;
            it.check(conn.in_transaction(), "not in the transaction");
        }
        if (whole) {
            it.claim(it.token(), {0, 2});
            auto commit = conn.query("commit");
            auto const committed = co_await result_of(it, conn, std::move(commit));
            if (committed) {
                it.check(committed->tag() == "COMMIT" && !conn.in_transaction(), "not committed");
                it.claim(it.token(), {2});
            }
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(big_result_is_whole_or_an_error)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        // Enough for the bytes before it, and for a login while others send theirs.
        if (it.stalls()) settings.query_timeout = settings.connect_timeout = std::chrono::seconds{2};
        co_await conn.connect(settings);
        using row = std::tuple<std::int32_t, std::string>;
        auto query = conn.query_as<row>("select i, repeat(chr(65 + i % 26), 100000) from generate_series(1, 30) i");
        auto const rows = co_await result_of(it, conn, std::move(query));
        if (rows) {
            it.check(rows->size() == 30, "not all rows");
            std::int32_t i = 0;
            for (auto const& [number, text] : *rows) {
                ++i;
                it.check(number == i && text == std::string(100'000, static_cast<char>('A' + i % 26)), "a wrong row");
            }
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    auto options = after_login();
    options.most_steps = 12;
    for_each_fault(scenario, options);
}

BOOST_AUTO_TEST_CASE(big_parameter_arrives_whole_or_not_at_all)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        if (it.stalls()) settings.query_timeout = settings.connect_timeout = std::chrono::seconds{2};
        co_await conn.connect(settings);
        it.claim(it.token(), {0, 1});
        std::string const big(3'000'000, 'x');
        using row = std::tuple<std::string>;
        auto query =
            conn.query_as<row>("with kept as (insert into ledger values ($1)) select $2::text", it.token(), big);
        auto const rows = co_await result_of(it, conn, std::move(query));
        if (rows) {
            it.check(std::get<0>(rows->one()) == big, "not what was sent");
            it.claim(it.token(), {1});
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_SUITE_END()
