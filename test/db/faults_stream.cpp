// Faults at every step of long operations: COPY in and out, rows one by one.

#include <pgtally/test/db/fault.hpp>

#include <cstdint>
#include <string>
#include <tuple>

BOOST_AUTO_TEST_SUITE(test_faults_stream)

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

constexpr int copied_rows = 6;

// Some of the rows, large enough that not all data is sent at the end.
std::string rows_of(std::string const& token, int count)
{
    std::string result;
    for (int i = 0; i < count; ++i) result += token + "\t" + std::string(40'000, 'x') + "\n";
    return result;
}

asio::awaitable<std::uint64_t> copy_in(db::connection& conn, std::string token)
{
    auto copy = co_await conn.copy_in("copy ledger from stdin");
    for (int i = 0; i < copied_rows / 2; ++i) {
        auto const data = rows_of(token, 2);
        co_await copy.write(data);
    }
    co_return co_await copy.finish();
}

// Leaves the copy before its end.
asio::awaitable<bool> leave_copy_in(db::connection& conn, std::string token)
{
    auto copy = co_await conn.copy_in("copy ledger from stdin");
    auto const data = rows_of(token, 2);
    co_await copy.write(data);
    co_return true;
}

asio::awaitable<std::string> copy_out(trial& it, db::connection& conn, std::string sql)
{
    auto copy = co_await conn.copy_out(std::move(sql));
    std::string all;
    for (;;) {
        auto const some = co_await copy.read();
        if (some.empty()) break;
        all += some;
    }
    it.check(copy.rows() == copied_rows, "not the number of rows");
    co_return all;
}

using row = std::tuple<std::int32_t, std::string>;

// Returns the number of rows before the end, or before enough were read.
asio::awaitable<int> read_rows(trial& it, db::connection& conn, int count, int enough)
{
    auto rows = co_await conn.stream_as<row>("select i, 'row ' || i from generate_series(1, $1::int) i", count);
    for (int i = 0; i < enough; ++i) {
        auto const next = co_await rows.next();
        if (!next) co_return i;
        it.check(*next == row(i + 1, "row " + std::to_string(i + 1)), "a wrong row");
    }
    co_return enough;
}

// Recovers by itself from a stream left in the middle; with a fault, possibly only by connect().
asio::awaitable<void> check_usable(trial& it, db::connection& conn)
{
    auto query = conn.query_as<std::tuple<std::int32_t>>("select $1::int", it.number);
    // It waits for a recovery, and is closed if that fails.
    auto const rows = co_await result_of(it, conn, std::move(query), db::errc::closed);
    if (rows) it.check(std::get<0>(rows->one()) == it.number, "the answer of what was left");
    if (!rows) co_await check_connects_again(it, conn);
}

}  // namespace

BOOST_AUTO_TEST_CASE(copy_in_that_is_acknowledged_is_there_and_never_in_part)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        it.claim(it.token(), {0, copied_rows});
        auto copy = copy_in(conn, it.token());
        auto const rows = co_await result_of(it, conn, std::move(copy));
        if (rows) {
            it.check(*rows == copied_rows, "not the number of rows");
            it.claim(it.token(), {copied_rows});
        }
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(copy_in_that_is_left_leaves_nothing)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        if (it.stalls()) settings.recovery_timeout = settings.query_timeout;
        co_await conn.connect(settings);
        it.claim(it.token(), {0});
        auto copy = leave_copy_in(conn, it.token());
        co_await result_of(it, conn, std::move(copy));
        co_await conn.settled();
        if (conn.is_open()) co_await check_usable(it, conn);
        else co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

// A trigger that fails before the server has read any of the COPY data: in the extended protocol the server then
// finds two Syncs and answers both.
BOOST_AUTO_TEST_CASE(copy_in_that_fails_at_once_does_not_shift_the_answers)
{
    run([](asio::any_io_executor executor) -> asio::awaitable<void> {
        db_fixture fixture;
        db::connection conn(executor);
        auto settings = fixture.settings();
        settings.on_connect = {
            "create temp table ledger (token text, filler text);"
            "create function pg_temp.refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'no rows, please'; end $$;"
            "create trigger refuse before insert on ledger execute function pg_temp.refuse()"};
        co_await conn.connect(settings);
        int answered = 0;
        for (std::int32_t i = 0; i < 30; ++i) {
            if (i % 3 == 0) {
                auto const failed = co_await failure_of(copy_in(conn, "x"));
                BOOST_TEST(failed.state().is("P0001"));
            }
            if (i % 3 == 1) co_await leave_copy_in(conn, "x");
            if (i % 3 == 2) co_await failure_of(conn.query("copy ledger from stdin"));
            try {
                auto const rows = co_await conn.query_as<std::tuple<std::int32_t>>("select $1::int", i);
                BOOST_TEST(std::get<0>(rows.one()) == i);
                ++answered;
            } catch (db::error const& failure) {
                BOOST_TEST((failure.code() == db::errc::closed), failure.what());
                BOOST_TEST(i % 3 == 2);
            }
            if (!conn.is_open()) co_await conn.connect(settings);
        }
        BOOST_TEST(answered >= 20);
    });
}

BOOST_AUTO_TEST_CASE(copy_out_is_whole_or_an_error)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        auto copy = copy_out(it, conn, "copy (select 'a', repeat('x', 40000) from generate_series(1, 6)) to stdout");
        auto const all = co_await result_of(it, conn, std::move(copy));
        if (all) it.check(*all == rows_of("a", copied_rows), "not what was copied");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(rows_end_when_all_have_come_or_by_an_error)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        co_await conn.connect(settings);
        auto reading = read_rows(it, conn, 5, 100);
        auto const count = co_await result_of(it, conn, std::move(reading));
        if (count) it.check(*count == 5, "it ended before its end");
        if (!it.harmless()) co_await check_connects_again(it, conn);
    };
    for_each_fault(scenario, after_login());
}

BOOST_AUTO_TEST_CASE(rows_that_are_left_disturb_nobody)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::connection conn(it.executor);
        auto settings = it.settings();
        if (it.stalls()) settings.recovery_timeout = settings.query_timeout;
        co_await conn.connect(settings);
        auto reading = read_rows(it, conn, 40, 3);
        co_await result_of(it, conn, std::move(reading));
        co_await conn.settled();
        if (conn.is_open()) co_await check_usable(it, conn);
        else co_await check_connects_again(it, conn);
    };
    auto options = after_login();
    options.steps_vary = true;  // the data to drop may have arrived already, or is cancelled
    options.most_steps = 30;
    for_each_fault(scenario, options);
}

BOOST_AUTO_TEST_SUITE_END()
