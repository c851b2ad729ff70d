// What each type is as a parameter and as a column, at its edges.

#include <pgtally/db/json.hpp>
#include <pgtally/test/db/client.hpp>
#include <pgtally/test/db/with_connection.hpp>

#include <boost/uuid/string_generator.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace chrono = std::chrono;

namespace {

// A parameter that comes back as a column of the same type, and as PostgreSQL prints it.
template <class T>
asio::awaitable<void> check_round_trip(db::connection& conn, std::string type, T value, std::string printed)
{
    auto const sql = "select $1::" + type + ", $1::" + type + "::text";
    auto const rows = co_await conn.query_as<std::tuple<T, std::string>>(sql, value);
    auto const [back, text] = rows.one();
    BOOST_TEST((back == value), type << " " << printed << " came back as another");
    BOOST_TEST(text == printed);
    // As an optional, and as arrays with and without NULLs.
    std::vector<T> const values{value, value};
    std::vector<std::optional<T>> const some{std::nullopt, value};
    using arrays = std::tuple<std::optional<T>, std::vector<T>, std::vector<std::optional<T>>, std::optional<T>>;
    auto const more = "select $1::" + type + ", $2::" + type + "[], $3::" + type + "[], $4::" + type;
    auto const result = co_await conn.query_as<arrays>(more, std::optional<T>(value), values, some, std::optional<T>());
    auto const [one, two, three, none] = result.one();
    BOOST_TEST((one == value));
    BOOST_TEST((two == values));
    BOOST_TEST((three == some));
    BOOST_TEST(!none);
}

// A column that a literal gives.
template <class T>
asio::awaitable<T> column(db::connection& conn, std::string expression)
{
    auto const rows = co_await conn.query_as<T>("select " + expression + " as x");
    co_return rows.one();
}

template <class T>
asio::awaitable<std::string> why_not(db::connection& conn, std::string expression)
{
    std::string why;
    try {
        auto const rows = co_await conn.query_as<T>("select " + expression + " as x");
        static_cast<void>(rows.one());
    } catch (db::error const& thrown) {
        BOOST_TEST((thrown.code() == db::errc::bad_result));
        why = thrown.what();
    }
    co_return why;
}

template <class T>
asio::awaitable<void> check_why_not(db::connection& conn, std::string expression, std::string expected)
{
    auto const why = co_await why_not<T>(conn, expression);
    BOOST_TEST(why == expected);
}

std::vector<std::byte> bytes_of(std::string_view text)
{
    auto const bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

// g++ 12 must not see lists of such in a coroutine.
std::vector<std::string> odd_texts()
{
    return {"",    "NULL",       "null", "a\"b\\c", "{x,y}", " blank ", "\u00e4 \u4e16 \U0001F600",
            "\\N", "a\tb\nc\rd", "'",    "$1"};
}

boost::json::value some_json()
{
    return {{"name", "\u00e4\"\\"}, {"list", {1, -2, nullptr, true}}, {"x", 0.5}};
}

enum class color { red, blue };

struct post {
    std::int64_t id;
    std::string title;
    std::optional<std::string> note;
    chrono::sys_time<chrono::microseconds> at;
    std::vector<std::string> tags;
    boost::uuids::uuid key;
    db::json extra;
};

}  // namespace

template <>
struct pgtally::db::codec<color> : pgtally::db::codec_as<color, std::string_view> {
    static std::string name() { return "color"; }
    static std::string_view to_base(color value)
    {
        if (value == color::red) return "red";
        if (value == color::blue) return "blue";
        throw error(errc::bad_parameter, "is no color");
    }
    static color from_base(std::string_view text)
    {
        if (text == "red") return color::red;
        if (text == "blue") return color::blue;
        throw error(errc::bad_result, "no color of ours: " + std::string(text));
    }
    static bool takes(std::uint32_t type) { return type >= oids::first_created; }
};

BOOST_FIXTURE_TEST_SUITE(test_types, db_fixture)

BOOST_AUTO_TEST_CASE(numbers_round_trip_at_their_edges)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using i16 = std::numeric_limits<std::int16_t>;
        using i32 = std::numeric_limits<std::int32_t>;
        using i64 = std::numeric_limits<std::int64_t>;
        co_await check_round_trip(conn, "smallint", i16::min(), "-32768");
        co_await check_round_trip(conn, "smallint", i16::max(), "32767");
        co_await check_round_trip(conn, "integer", i32::min(), "-2147483648");
        co_await check_round_trip(conn, "integer", i32::max(), "2147483647");
        co_await check_round_trip(conn, "bigint", i64::min(), "-9223372036854775808");
        co_await check_round_trip(conn, "bigint", i64::max(), "9223372036854775807");
        co_await check_round_trip(conn, "oid", std::numeric_limits<std::uint32_t>::max(), "4294967295");
        co_await check_round_trip(conn, "boolean", true, "true");
        co_await check_round_trip(conn, "boolean", false, "false");
        co_await check_round_trip(conn, "real", 0.1F, "0.1");
        co_await check_round_trip(conn, "real", std::numeric_limits<float>::denorm_min(), "1e-45");
        co_await check_round_trip(conn, "double precision", std::numeric_limits<double>::max(),
                                  "1.7976931348623157e+308");
        co_await check_round_trip(conn, "double precision", -std::numeric_limits<double>::infinity(), "-Infinity");
        auto const nan = -std::numeric_limits<double>::quiet_NaN();
        auto const rows = co_await conn.query_as<std::tuple<double, std::string, std::vector<float>>>(
            "select $1::float8, $1::text, array[$1::float4]", nan);
        auto const [back, printed, in_array] = rows.one();
        BOOST_TEST(std::isnan(back));
        BOOST_TEST(printed == "NaN");
        BOOST_TEST(std::isnan(in_array.at(0)));
        auto const numeric = co_await conn.query("select $1::numeric", nan);
        BOOST_TEST(numeric.text(0, 0) == "NaN");
        auto const unsigned_one = co_await conn.query("select $1::numeric", std::numeric_limits<std::uint64_t>::max());
        BOOST_TEST(unsigned_one.text(0, 0) == "18446744073709551615");
    });
}

BOOST_AUTO_TEST_CASE(text_json_bytes_and_uuid_round_trip)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        for (auto const& text : odd_texts()) {
            co_await check_round_trip(conn, "text", text, text);
        }
        std::string every(256, '\0');
        for (std::size_t i = 0; i < every.size(); ++i) every[i] = static_cast<char>(i);
        co_await check_round_trip(conn, "bytea", bytes_of(""), "\\x");
        co_await check_round_trip(conn, "bytea", bytes_of(std::string_view("\0\xff'\\", 4)), "\\x00ff275c");
        auto const everything = bytes_of(every);
        auto const viewed = std::span<std::byte const>(everything);
        auto const length = co_await conn.query_as<std::tuple<std::int32_t, std::span<std::byte const>>>(
            "select length($1), $1", viewed);
        auto const [count, back] = length.one();
        BOOST_TEST(count == 256);
        BOOST_TEST(std::equal(back.begin(), back.end(), everything.begin(), everything.end()));
        auto const uuid = boost::uuids::string_generator()("4c1ee2d2-58f5-4c5b-ae4e-9b7ce0a4c1ab");
        co_await check_round_trip(conn, "uuid", uuid, "4c1ee2d2-58f5-4c5b-ae4e-9b7ce0a4c1ab");
        db::json const object(R"({"a": [1, "\"x\\y\""]})");
        co_await check_round_trip(conn, "json", object, object.text);
        co_await check_round_trip(conn, "jsonb", object, object.text);
        db::json const part(R"({"a": 1})");
        std::string const contains = R"(select '{"a": 1, "b": 2}'::jsonb @> $1)";
        auto const contained = co_await conn.query(contains, part);
        BOOST_TEST(contained.text(0, 0) == "t");
    });
}

BOOST_AUTO_TEST_CASE(boost_json_values_round_trip)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const value = some_json();
        std::vector<std::string> const types{"json", "jsonb"};
        for (auto const& type : types) {
            auto const sql = "select $1::" + type + ", array[$1::" + type + ", null]";
            auto const rows =
                co_await conn.query_as<std::tuple<boost::json::value, std::vector<std::optional<boost::json::value>>>>(
                    sql, value);
            auto const [one, several] = rows.one();
            BOOST_TEST((one == value));
            BOOST_TEST(several.size() == 2u);
            BOOST_TEST((several.at(0) == value));
            BOOST_TEST(!several.at(1));
        }
        std::string const deep = "'" + std::string(40, '[') + std::string(40, ']') + "'::json";
        auto const why = co_await why_not<boost::json::value>(conn, deep);
        BOOST_TEST(mentions(why, "column 1 (\"x\") of the result, row 1: the JSON is not taken: "), why);
    });
}

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
        BOOST_TEST(mentions(none.what(), "parameter $1 is no date of the calendar"), none.what());
        BOOST_TEST(conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(arrays_of_all_kinds_come_back)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using days = std::vector<chrono::sys_days>;
        auto const rows =
            co_await conn.query_as<std::tuple<days, std::vector<std::vector<std::byte>>, std::vector<std::string>>>(
                "select $1, $2, $3::text[]", days(), std::vector<std::vector<std::byte>>(2),
                std::vector<std::string>());
        auto const [none, empty, words] = rows.one();
        BOOST_TEST(none.empty());
        BOOST_TEST((empty == std::vector<std::vector<std::byte>>(2)));
        BOOST_TEST(words.empty());
        std::vector<std::optional<std::string>> const some{"NULL", std::nullopt, "a,b", "{}", "\"\\", "", "\u00fc"};
        auto const texts = co_await conn.query_as<std::vector<std::optional<std::string>>>("select $1::text[]", some);
        BOOST_TEST((texts.one() == some));
        std::vector<bool> const flags{true, false, true};
        auto const bools = co_await conn.query_as<std::vector<bool>>("select $1::boolean[]", flags);
        BOOST_TEST((bools.one() == flags));
        // Another lower bound, narrower elements, views.
        auto const shifted = co_await column<std::vector<std::int64_t>>(conn, "'[5:6]={1,2}'::smallint[]");
        BOOST_TEST((shifted == std::vector<std::int64_t>{1, 2}));
        auto const views = co_await conn.query_as<std::vector<std::string_view>>("select '{a,b}'::name[]");
        BOOST_TEST((views.one() == std::vector<std::string_view>{"a", "b"}));
    });
}

BOOST_AUTO_TEST_CASE(arrays_that_do_not_fit_are_errors_that_say_why)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        std::string const in = "column 1 (\"x\") of the result, row 1: ";
        using numbers = std::vector<std::int64_t>;
        co_await check_why_not<numbers>(conn, "'{1,null}'::bigint[]",
                                        in + "element 2 of the array is NULL, asked for was bigint[] without");
        co_await check_why_not<numbers>(conn, "'{{1},{2}}'::bigint[]", in + "the array has more than one dimension");
        co_await check_why_not<numbers>(conn, "'{a}'::text[]",
                                        "column 1 (\"x\") of the result is text[], asked for was bigint[]");
        co_await check_why_not<std::vector<std::int32_t>>(
            conn, "'{1}'::bigint[]", "column 1 (\"x\") of the result is bigint[], asked for was integer[]");
        co_await check_why_not<chrono::sys_seconds>(
            conn, "now()::timestamp",
            "column 1 (\"x\") of the result is timestamp, asked for was timestamp with time zone");
        co_await check_why_not<boost::uuids::uuid>(conn, "1.5::numeric",
                                                   "column 1 (\"x\") of the result is numeric, asked for was uuid");
        co_await check_why_not<std::optional<float>>(
            conn, "1.5::float8", "column 1 (\"x\") of the result is double precision, asked for was real");
        co_await check_why_not<std::uint32_t>(conn, "1",
                                              "column 1 (\"x\") of the result is integer, asked for was oid");
    });
}

BOOST_AUTO_TEST_CASE(rows_may_be_structs_or_single_values)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const uuid = boost::uuids::string_generator()("00000000-0000-0000-0000-0000000000ff");
        auto const rows = co_await conn.query_as<post>(
            "select i, 'title ' || i, case i when 2 then 'a note' end, timestamptz 'epoch', array['x', 'y'],"
            " $1, '{}'::jsonb from generate_series(1::bigint, 2) i",
            uuid);
        BOOST_REQUIRE(rows.size() == 2u);
        std::int64_t expected = 0;
        for (auto const& each : rows) {
            BOOST_TEST(each.id == ++expected);
            BOOST_TEST(each.title == "title " + std::to_string(expected));
            BOOST_TEST(each.note.has_value() == (expected == 2));
            BOOST_TEST((each.at == chrono::sys_seconds()));
            BOOST_TEST((each.tags == std::vector<std::string>{"x", "y"}));
            BOOST_TEST((each.key == uuid));
            BOOST_TEST(each.extra.text == "{}");
        }
        BOOST_TEST(rows.untyped().name(0) == "i");
        auto const count = co_await conn.query_as<std::int64_t>("select count(*) from pg_class");
        BOOST_TEST(count.one() > 0);
        auto const maybe = co_await conn.query_as<std::optional<std::string>>("select null::text");
        BOOST_TEST(!maybe.one());
        auto const nobody = co_await conn.query_as<std::int64_t>("select 1::bigint where false");
        BOOST_TEST(!nobody.maybe_one());
        auto too_few = conn.query_as<post>("select 1");
        auto const columns = co_await failure_of(std::move(too_few));
        BOOST_TEST(columns.what() == std::string("the result has 1 columns, asked for were 7"));
        auto two = conn.query_as<bool>("select true, true");
        co_await failure_of(std::move(two));
    });
}

BOOST_AUTO_TEST_CASE(own_types_have_a_codec)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("create type pg_temp.color as enum ('red', 'blue', 'green')");
        std::vector<std::optional<color>> const several{color::red, std::nullopt};
        using row = std::tuple<color, std::optional<color>, std::vector<std::optional<color>>>;
        auto const rows =
            co_await conn.query_as<row>("select $1::pg_temp.color, $2::pg_temp.color, $3::pg_temp.color[]", color::blue,
                                        std::optional<color>(), several);
        auto const [one, none, back] = rows.one();
        BOOST_TEST((one == color::blue));
        BOOST_TEST(!none);
        BOOST_TEST((back == several));
        co_await check_why_not<color>(conn, "'green'::pg_temp.color",
                                      "column 1 (\"x\") of the result, row 1: no color of ours: green");
        co_await check_why_not<color>(conn, "'red'::text",
                                      "column 1 (\"x\") of the result is text, asked for was color");
        auto const no_color = static_cast<color>(7);
        auto const refused = co_await failure_of(conn.query("select $1", no_color));
        BOOST_TEST((refused.code() == db::errc::bad_parameter));
        BOOST_TEST(mentions(refused.what(), "parameter $1 is no color"), refused.what());
    });
}

BOOST_FIXTURE_TEST_CASE(session_prepares_a_text_once_for_each_list_of_types, session_fixture)
{
    with_client(session_settings(), [](client& it) -> asio::awaitable<void> {
        auto& session = it.session;
        std::string const sql = "select pg_typeof(coalesce($1))::text";
        auto const day = chrono::sys_days(chrono::days(0));
        std::optional<chrono::sys_days> const no_day;
        for (int turn = 0; turn < 2; ++turn) {
            auto const as_text = co_await session.query_as<std::string>(sql, "x");
            BOOST_TEST(as_text.one() == "text");
            auto const as_date = co_await session.query_as<std::string>(sql, day);
            BOOST_TEST(as_date.one() == "date");
            auto const as_null = co_await session.query_as<std::string>(sql, no_day);
            BOOST_TEST(as_null.one() == "date");
            auto const as_time = co_await session.query_as<std::string>(sql, chrono::sys_seconds(day));
            BOOST_TEST(as_time.one() == "timestamp with time zone");
            auto const as_bytes = co_await session.query_as<std::string>(sql, std::vector<std::byte>(3));
            BOOST_TEST(as_bytes.one() == "bytea");
        }
        BOOST_TEST(session.stats().prepared == 4u);
        // Stale ones heal, each under its own key.
        co_await session.query("deallocate all");
        auto const healed =
            co_await session.query_as<post>("select 1::bigint, 't', null::text, $1, '{}'::text[], $2, '1'::json",
                                            chrono::sys_seconds(day), boost::uuids::uuid());
        BOOST_TEST(healed.one().title == "t");
        for (int turn = 0; turn < 2; ++turn) {
            auto const as_date = co_await session.query_as<std::string>(sql, day);
            BOOST_TEST(as_date.one() == "date");
        }
        BOOST_TEST(session.stats().healed == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
