// Rows as structs and single values, and custom types.

#include <pgtally/test/db/client.hpp>
#include <pgtally/test/db/round_trip.hpp>

#include <boost/uuid/string_generator.hpp>

#include <chrono>
#include <cstdint>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace chrono = std::chrono;

namespace {

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

BOOST_FIXTURE_TEST_SUITE(test_types_rows, db_fixture)

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
        BOOST_TEST(columns.what() == std::string("the result has 1 columns, expected 7"));
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
        co_await check_why_not<color>(conn, "'red'::text", "column 1 (\"x\") of the result is text, expected color");
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
        // Stale statements heal, each under its own key.
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
