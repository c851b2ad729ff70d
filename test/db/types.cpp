// Each type as a parameter and as a column, at the limits of its values.

#include <pgtally/db/json.hpp>
#include <pgtally/test/db/round_trip.hpp>

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

BOOST_FIXTURE_TEST_SUITE(test_types, db_fixture)

namespace {

std::vector<std::byte> bytes_of(std::string_view text)
{
    auto const bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

// g++ 12 must not see lists of these in a coroutine.
std::vector<std::string> odd_texts()
{
    return {"",    "NULL",       "null", "a\"b\\c", "{x,y}", " blank ", "\u00e4 \u4e16 \U0001F600",
            "\\N", "a\tb\nc\rd", "'",    "$1"};
}

boost::json::value some_json()
{
    return {{"name", "\u00e4\"\\"}, {"list", {1, -2, nullptr, true}}, {"x", 0.5}};
}

}  // namespace

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
        BOOST_TEST(mentions(why, "column 1 (\"x\") of the result, row 1: the JSON cannot be parsed: "), why);
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
                                        in + "element 2 of the array is NULL, expected bigint[] without NULL");
        co_await check_why_not<numbers>(conn, "'{{1},{2}}'::bigint[]", in + "the array has more than one dimension");
        co_await check_why_not<numbers>(conn, "'{a}'::text[]",
                                        "column 1 (\"x\") of the result is text[], expected bigint[]");
        co_await check_why_not<std::vector<std::int32_t>>(
            conn, "'{1}'::bigint[]", "column 1 (\"x\") of the result is bigint[], expected integer[]");
        co_await check_why_not<chrono::sys_seconds>(
            conn, "now()::timestamp", "column 1 (\"x\") of the result is timestamp, expected timestamp with time zone");
        co_await check_why_not<boost::uuids::uuid>(conn, "1.5::numeric",
                                                   "column 1 (\"x\") of the result is numeric, expected uuid");
        co_await check_why_not<std::optional<float>>(
            conn, "1.5::float8", "column 1 (\"x\") of the result is double precision, expected real");
        co_await check_why_not<std::uint32_t>(conn, "1", "column 1 (\"x\") of the result is integer, expected oid");
    });
}

BOOST_AUTO_TEST_SUITE_END()
