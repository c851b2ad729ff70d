// Times and dates as parameters and as columns, at the limits of their values.

#include <pgtally/test/db/round_trip.hpp>

#include <chrono>
#include <cstdint>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace chrono = std::chrono;

BOOST_FIXTURE_TEST_SUITE(test_types_time, db_fixture)

BOOST_AUTO_TEST_CASE(times_round_trip_at_their_edges)
{
    using micros = chrono::microseconds;
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.query("set timezone = 'UTC'");
        using at = chrono::sys_time<micros>;
        co_await check_round_trip(conn, "timestamptz", at(micros(0)), "1970-01-01 00:00:00+00");
        co_await check_round_trip(conn, "timestamptz", at(micros(-1)), "1969-12-31 23:59:59.999999+00");
        co_await check_round_trip(conn, "timestamptz", at::max(), "infinity");
        co_await check_round_trip(conn, "timestamptz", at::min(), "-infinity");
        using local = chrono::local_time<micros>;
        co_await check_round_trip(conn, "timestamp", local(micros(1)), "1970-01-01 00:00:00.000001");
        co_await check_round_trip(conn, "timestamp", local::max(), "infinity");
        co_await check_round_trip(conn, "timestamp", local::min(), "-infinity");
        using nanos = chrono::sys_time<chrono::nanoseconds>;
        co_await check_round_trip(conn, "timestamptz", nanos(1'000us), "1970-01-01 00:00:00.001+00");
        co_await check_round_trip(conn, "timestamptz", nanos::max(), "infinity");
        auto const bc = chrono::sys_days(chrono::year(0) / 1 / 1);
        co_await check_round_trip(conn, "timestamptz", at(bc), "0001-01-01 00:00:00+00 BC");
        auto const last = chrono::sys_seconds(chrono::seconds(9'224'318'015'999));
        co_await check_round_trip(conn, "timestamptz", last, "294276-12-31 23:59:59+00");
        auto const first = chrono::sys_seconds(chrono::seconds(-210'866'803'200));
        co_await check_round_trip(conn, "timestamptz", first, "4714-11-24 00:00:00+00 BC");
        using minutes = chrono::sys_time<chrono::duration<std::int32_t, std::ratio<60>>>;
        co_await check_round_trip(conn, "timestamptz", minutes(chrono::minutes(-90)), "1969-12-31 22:30:00+00");
        co_await check_round_trip(conn, "timestamptz", minutes::min(), "-infinity");
    });
}

BOOST_AUTO_TEST_CASE(dates_round_trip_at_their_edges)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using namespace std::chrono;
        co_await check_round_trip(conn, "date", sys_days(2024y / February / 29), "2024-02-29");
        co_await check_round_trip(conn, "date", local_days(1999y / December / 31), "1999-12-31");
        co_await check_round_trip(conn, "date", 2000y / January / 1, "2000-01-01");
        co_await check_round_trip(conn, "date", year(0) / March / 1, "0001-03-01 BC");
        co_await check_round_trip(conn, "date", 32767y / December / 31, "32767-12-31");
        co_await check_round_trip(conn, "date", sys_days::max(), "infinity");
        co_await check_round_trip(conn, "date", sys_days::min(), "-infinity");
        co_await check_round_trip(conn, "date", sys_days(days(-2'440'588)), "4714-11-24 BC");
        co_await check_round_trip(conn, "date", sys_days(days(2'145'042'905)), "5874897-12-31");
        co_await check_why_not<year_month_day>(conn, "'infinity'::date",
                                               "column 1 (\"x\") of the result, row 1: the date is infinite");
        co_await check_why_not<year_month_day>(
            conn, "'32768-01-01'::date",
            "column 1 (\"x\") of the result, row 1: the date is out of the range of the C++ type");
    });
}

BOOST_AUTO_TEST_CASE(times_are_rounded_to_microseconds_and_down_to_the_unit)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using nanos = chrono::sys_time<chrono::nanoseconds>;
        using text = std::string;
        std::vector<nanos> const given{nanos(1'499ns), nanos(1'500ns), nanos(2'500ns), nanos(-1'501ns), nanos(-500ns)};
        auto const printed = co_await conn.query_as<text>(
            "select string_agg((extract(epoch from t) * 1000000)::bigint::text, ' ') from unnest($1) t", given);
        BOOST_TEST(printed.one() == "1 2 2 -2 0");
        auto const seconds = co_await column<chrono::sys_seconds>(conn, "'1969-12-31 23:59:58.5+00'::timestamptz");
        BOOST_TEST((seconds == chrono::sys_seconds(-2s)));
        auto const hours = co_await column<chrono::sys_time<chrono::hours>>(conn, "'1970-01-01 01:59+00'::timestamptz");
        BOOST_TEST((hours == chrono::sys_time<chrono::hours>(1h)));
    });
}

BOOST_AUTO_TEST_CASE(times_that_one_side_cannot_hold_are_errors)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const out =
            std::string("column 1 (\"x\") of the result, row 1: the time is out of the range of the C++ type");
        co_await check_why_not<chrono::sys_time<chrono::nanoseconds>>(conn, "'2263-01-01'::timestamptz", out);
        co_await check_why_not<chrono::sys_time<chrono::microseconds>>(conn, "'294276-12-31 23:59:59+00'::timestamptz",
                                                                       out);
        auto const beyond = chrono::sys_seconds(chrono::seconds(9'224'318'016'000));
        auto const late = co_await failure_of(conn.query("select $1, $2", 1, beyond));
        BOOST_TEST((late.code() == db::errc::bad_parameter));
        BOOST_TEST(mentions(late.what(), "failed: parameter $2 is a time that PostgreSQL cannot hold"), late.what());
        auto const before = chrono::sys_seconds(chrono::seconds(-210'866'803'201));
        auto const early = co_await failure_of(conn.query("select $1", before));
        BOOST_TEST((early.code() == db::errc::bad_parameter));
        auto const day = co_await failure_of(conn.query("select $1", chrono::sys_days(chrono::days(2'145'042'906))));
        BOOST_TEST(mentions(day.what(), "parameter $1 is a date that PostgreSQL cannot hold"), day.what());
        auto const almost = chrono::sys_days::min() + chrono::days(1);
        auto const ancient = co_await failure_of(conn.query("select $1", almost));
        BOOST_TEST(mentions(ancient.what(), "parameter $1 is a date that PostgreSQL cannot hold"), ancient.what());
        auto const thirtieth = chrono::year(2023) / 2 / 30;
        auto const none = co_await failure_of(conn.query("select $1", thirtieth));
        BOOST_TEST(mentions(none.what(), "parameter $1 is not a calendar date"), none.what());
        BOOST_TEST(conn.is_open());
    });
}

BOOST_AUTO_TEST_SUITE_END()
