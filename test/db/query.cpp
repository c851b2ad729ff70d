// Statements over an open connection: parameters, results, errors.

#include <pgtally/test/db/with_connection.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_query, db_fixture)

BOOST_AUTO_TEST_CASE(typed_row_round_trips_every_type)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using row = std::tuple<std::int16_t, std::int32_t, std::int64_t, bool, double, std::string,
                               std::vector<std::int64_t>, std::vector<std::string>>;
        std::vector<std::int64_t> const numbers{1, -2, std::numeric_limits<std::int64_t>::min()};
        std::vector<std::string> const words{"plain", "", "NULL", "a\"b\\c", "{x,y}", "\u00e4 \u4e16"};
        std::string const text = "it's \\ \"quoted\"\n\u00e9";
        auto const rows = co_await conn.query_as<row>(
            "select $1::smallint, $2::integer, $3::bigint, $4::boolean, $5::double precision, $6::text,"
            " $7::bigint[], $8::text[]",
            std::int16_t{-32768}, 2'147'483'647, std::numeric_limits<std::int64_t>::min(), true, 0.1, text, numbers,
            words);
        auto const [i2, i4, i8, b, d, s, ns, ws] = rows.one();
        BOOST_TEST(i2 == -32768);
        BOOST_TEST(i4 == 2'147'483'647);
        BOOST_TEST(i8 == std::numeric_limits<std::int64_t>::min());
        BOOST_TEST(b);
        BOOST_TEST(d == 0.1);
        BOOST_TEST(s == text);
        BOOST_TEST(ns == numbers, boost::test_tools::per_element());
        BOOST_TEST(ws == words, boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(null_is_an_empty_optional_both_ways)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using row =
            std::tuple<std::optional<std::int64_t>, std::optional<std::string>, std::optional<bool>,
                       std::optional<std::vector<std::int64_t>>, std::optional<double>, std::optional<std::string>>;
        std::optional<std::int64_t> const none;
        std::optional<std::string> const empty{""};
        auto const rows = co_await conn.query_as<row>(
            "select $1::bigint, $2::text, $3::boolean, $4::bigint[], $5::double precision, $6::text", none, nullptr,
            std::nullopt, static_cast<char const*>(nullptr), std::optional<double>(2.5), empty);
        auto const [i, s, b, v, d, e] = rows.one();
        BOOST_TEST(!i);
        BOOST_TEST(!s);
        BOOST_TEST(!b);
        BOOST_TEST(!v);
        BOOST_TEST(d.value() == 2.5);
        BOOST_TEST(e.value() == "");  // empty is not NULL
    });
}

BOOST_AUTO_TEST_CASE(doubles_at_the_edges_round_trip)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        for (double const value : {0.0, -0.0, 1e308, 5e-324, 1.0 / 3, -std::numeric_limits<double>::infinity()}) {
            auto const rows = co_await conn.query_as<std::tuple<double>>("select $1::float8", value);
            BOOST_TEST(std::get<0>(rows.one()) == value);
            BOOST_TEST(std::signbit(std::get<0>(rows.one())) == std::signbit(value));
        }
        auto const nan = std::numeric_limits<double>::quiet_NaN();
        auto const rows = co_await conn.query_as<std::tuple<double, double>>("select $1::float8, 0.5::float4", nan);
        BOOST_TEST(std::isnan(std::get<0>(rows.one())));
        BOOST_TEST(std::get<1>(rows.one()) == 0.5);
    });
}

BOOST_AUTO_TEST_CASE(parameters_take_the_type_of_their_place)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("create temp table t (id bigint, note json, at timestamptz, u uuid)");
        std::string_view const note = R"({"a": 1})";
        auto const inserted =
            co_await conn.query("insert into t values ($1, $2, $3, $4), ($5, null, null, null)", 7, note,
                                "2026-01-02 03:04:05+00", "4c1ee2d2-58f5-4c5b-ae4e-9b7ce0a4c1ab", "8");
        BOOST_TEST(inserted.affected() == 2u);
        BOOST_TEST(inserted.tag() == "INSERT 0 2");
        BOOST_TEST(inserted.columns() == 0u);
        std::vector<std::int64_t> const ids{7, 8, 9};
        auto const found = co_await conn.query_as<std::tuple<std::int64_t, std::optional<std::string>>>(
            "select id, note from t where id = any($1) order by id", ids);
        BOOST_REQUIRE(found.size() == 2u);
        BOOST_TEST(std::get<1>(found[0]).value() == note);
        BOOST_TEST(!std::get<1>(found[1]));
        auto const limited = co_await conn.query("select 1 from t limit $1", 1);
        BOOST_TEST(limited.size() == 1u);
    });
}

BOOST_AUTO_TEST_CASE(narrower_columns_fit_wider_integers)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        using row = std::tuple<std::int64_t, std::int64_t, std::int32_t, std::vector<std::int64_t>, std::int64_t,
                               std::vector<std::string>, std::string, std::string>;
        auto const rows = co_await conn.query_as<row>(
            "select (-3)::smallint, (-4)::integer, (-5)::smallint, '{-6,7}'::integer[],"
            " pg_current_xact_id(), '{a}'::varchar[], 'x'::name, '{\"k\": 1}'::jsonb");
        auto const [a, b, c, d, xid, texts, name, jsonb] = rows.one();
        BOOST_TEST(a == -3);
        BOOST_TEST(b == -4);
        BOOST_TEST(c == -5);
        BOOST_TEST((d == std::vector<std::int64_t>{-6, 7}));
        BOOST_TEST(xid > 0);
        BOOST_TEST((texts == std::vector<std::string>{"a"}));
        BOOST_TEST(name == "x");
        BOOST_TEST(jsonb == "{\"k\": 1}");
    });
}

BOOST_AUTO_TEST_CASE(empty_arrays_and_rows_round_trip)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        std::vector<std::int64_t> const no_numbers;
        std::vector<std::string> const no_words;
        using row = std::tuple<std::vector<std::int64_t>, std::vector<std::string>>;
        auto const rows = co_await conn.query_as<row>("select $1::bigint[], $2::text[]", no_numbers, no_words);
        BOOST_TEST(std::get<0>(rows.one()).empty());
        BOOST_TEST(std::get<1>(rows.one()).empty());
        auto const none = co_await conn.query_as<std::tuple<bool>>("select true where false");
        BOOST_TEST(none.empty());
        BOOST_TEST(!none.maybe_one());
        BOOST_CHECK_THROW(static_cast<void>(none.one()), db::error);
    });
}

BOOST_AUTO_TEST_CASE(rows_are_a_random_access_range)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const rows = co_await conn.query_as<std::tuple<std::int64_t, std::string_view>>(
            "select i::bigint, 'v' || i from generate_series(1, 1000) i");
        static_assert(std::random_access_iterator<decltype(rows.begin())>);
        std::int64_t sum = 0;
        for (auto const& [number, text] : rows) {
            sum += number;
            BOOST_REQUIRE(text == "v" + std::to_string(number));
        }
        BOOST_TEST(sum == 500'500);
        BOOST_TEST(std::get<0>(rows.begin()[41]) == 42);
        BOOST_TEST((rows.end() - rows.begin()) == 1000);
        BOOST_CHECK_THROW(static_cast<void>(rows[1000]), std::out_of_range);
        BOOST_CHECK_THROW(static_cast<void>(rows.one()), db::error);
        BOOST_CHECK_THROW(static_cast<void>(rows.maybe_one()), db::error);
    });
}

BOOST_AUTO_TEST_CASE(wrong_row_type_is_an_error_that_names_column_and_types)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto wrong_type = conn.query_as<std::tuple<std::int64_t, std::string>>("select 1::bigint, now() as at");
        auto const type = co_await failure_of(std::move(wrong_type));
        BOOST_TEST((type.code() == db::errc::bad_result));
        BOOST_TEST(type.what() ==
                   std::string("column 2 (\"at\") of the result is timestamp with time zone, expected text"));
        auto too_wide = conn.query_as<std::tuple<std::int32_t>>("select 1::bigint as n");
        BOOST_TEST(mentions((co_await failure_of(std::move(too_wide))).what(), "bigint, expected integer"));
        auto too_few = conn.query_as<std::tuple<bool, bool>>("select true");
        auto const count = co_await failure_of(std::move(too_few));
        BOOST_TEST(count.what() == std::string("the result has 1 columns, expected 2"));
        // Also without rows, because the statement is wrong.
        auto no_rows = conn.query_as<std::tuple<std::string>>("select 1 where false");
        co_await failure_of(std::move(no_rows));
        BOOST_TEST(conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(null_without_optional_names_column_and_row)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const rows = co_await conn.query_as<std::tuple<std::string>>("select x from (values ('a'), (null)) v(x)");
        BOOST_TEST(std::get<0>(rows[0]) == "a");
        try {
            static_cast<void>(rows[1]);
            BOOST_ERROR("a NULL was taken");
        } catch (db::error const& thrown) {
            BOOST_TEST((thrown.code() == db::errc::bad_result));
            BOOST_TEST(thrown.what() == std::string("column 1 (\"x\") of the result is NULL in row 2"));
        }
        auto const arrays = co_await conn.query_as<std::tuple<std::vector<std::int64_t>>>(
            "select x from (values ('{1,null}'::bigint[]), ('{{1},{2}}')) v(x)");
        BOOST_CHECK_THROW(static_cast<void>(arrays[0]), db::error);
        BOOST_CHECK_THROW(static_cast<void>(arrays[1]), db::error);
    });
}

BOOST_AUTO_TEST_CASE(untyped_result_gives_text)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto const result = co_await conn.query("select 1.50::numeric as price, null as nothing, '' as e");
        BOOST_TEST(result.size() == 1u);
        BOOST_TEST(result.columns() == 3u);
        BOOST_TEST(result.name(0) == "price");
        BOOST_TEST(result.type_oid(0) == 1700u);
        BOOST_TEST(result.text(0, 0) == "1.50");
        BOOST_TEST(result.is_null(0, 1));
        BOOST_TEST(result.text(0, 1) == "");
        BOOST_TEST(!result.is_null(0, 2));
        BOOST_CHECK_THROW(static_cast<void>(result.text(1, 0)), std::out_of_range);
        BOOST_CHECK_THROW(static_cast<void>(result.text(0, 3)), std::out_of_range);
        BOOST_CHECK_THROW(static_cast<void>(result.name(3)), std::out_of_range);
        auto const nothing = co_await conn.query("");
        BOOST_TEST(nothing.size() == 0u);
        BOOST_TEST(nothing.affected() == 0u);
        BOOST_TEST(db::result_set().empty());
        BOOST_TEST(db::result_set().tag() == "");
    });
}

BOOST_AUTO_TEST_CASE(server_error_has_all_fields_and_leaves_the_connection_usable)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("create temp table t (id bigint primary key); insert into t values (7)");
        auto const duplicate = co_await failure_of(conn.query("insert into t values ($1)", 7));
        BOOST_TEST((duplicate.code() == db::errc::server_error));
        BOOST_TEST(duplicate.state().is("23505"));
        BOOST_TEST(duplicate.primary() == "duplicate key value violates unique constraint \"t_pkey\"");
        BOOST_TEST(duplicate.detail() == "Key (id)=(7) already exists.");
        BOOST_TEST(duplicate.statement() == "insert into t values ($1)");
        BOOST_TEST(duplicate.what() == "query on " + conn.description() +
                                           " failed: duplicate key value violates unique constraint "
                                           "\"t_pkey\" (23505)");
        auto const syntax = co_await failure_of(conn.query("selec 1"));
        BOOST_TEST(syntax.state().is("42601"));
        auto const hinted = co_await failure_of(conn.query("select nothing_of_the_kind($1::int)", 1));
        BOOST_TEST(hinted.state().is("42883"));
        BOOST_TEST(!hinted.hint().empty());
        auto const two = co_await failure_of(conn.query("select 1; select 2"));
        BOOST_TEST(two.state().is("42601"));  // one statement per query
        BOOST_TEST(conn.is_open());
        auto const rows = co_await conn.query_as<std::tuple<std::int64_t>>("select id from t");
        BOOST_TEST(std::get<0>(rows.one()) == 7);
    });
}

BOOST_AUTO_TEST_CASE(error_after_rows_were_sent_is_an_error)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        auto late = conn.query("select 1 / (5000 - i) from generate_series(1, 10000) i");
        auto const division = co_await failure_of(std::move(late));
        BOOST_TEST(division.state().is("22012"));
        auto const rows = co_await conn.query_as<std::tuple<bool>>("select true");
        BOOST_TEST(std::get<0>(rows.one()));
    });
}

BOOST_AUTO_TEST_CASE(nul_characters_are_refused_before_anything_is_sent)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        std::string const with_nul("a\0b", 3);
        auto const parameter = co_await failure_of(conn.query("select $1::text, $2::text", "x", with_nul));
        BOOST_TEST((parameter.code() == db::errc::bad_parameter));
        BOOST_TEST(mentions(parameter.what(), "$2"));
        auto const statement = co_await failure_of(conn.query("select 1 " + with_nul));
        BOOST_TEST((statement.code() == db::errc::bad_parameter));
        auto const script = co_await failure_of(conn.script("select 1 " + with_nul));
        BOOST_TEST((script.code() == db::errc::bad_parameter));
        auto const rows = co_await conn.query_as<std::tuple<bool>>("select true");
        BOOST_TEST(rows.size() == 1u);
    });
}

BOOST_AUTO_TEST_CASE(large_parameters_and_results_pass_both_ways)
{
    // Far more than the socket's buffers hold: sending must wait for the server, whose data must be read.
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        std::string const big(20'000'000, 'x');
        auto const echoed = co_await conn.query("select $1::text, $1::text", big);
        BOOST_TEST((echoed.text(0, 0) == big));
        BOOST_TEST((echoed.text(0, 1) == big));
    });
}

BOOST_AUTO_TEST_CASE(script_runs_all_or_nothing_and_names_the_first_error)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("create temp table t (id int); insert into t values (1); select * from t");
        auto broken = conn.script("insert into t values (2); select 1/0; selec");
        auto const syntax = co_await failure_of(std::move(broken));
        BOOST_TEST(syntax.state().is("42601"));
        auto failing = conn.script("insert into t values (3); select 1/0; insert into nowhere values (1)");
        auto const division = co_await failure_of(std::move(failing));
        BOOST_TEST(division.state().is("22012"));
        BOOST_TEST(mentions(division.statement(), "insert into t values (3)"));
        auto const count = co_await conn.query("select count(*) from t");
        BOOST_TEST(count.text(0, 0) == "1");
    });
}

BOOST_AUTO_TEST_CASE(transaction_is_seen)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        BOOST_TEST(!conn.in_transaction());
        co_await conn.query("begin");
        BOOST_TEST(conn.in_transaction());
        co_await failure_of(conn.query("select 1/0"));
        BOOST_TEST(conn.in_transaction());
        auto const aborted = co_await failure_of(conn.query("select 1"));
        BOOST_TEST(aborted.state().is("25P02"));
        co_await conn.query("rollback");
        BOOST_TEST(!conn.in_transaction());
    });
}

BOOST_AUTO_TEST_CASE(notices_go_to_the_log)
{
    with_connection(settings(), [](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("do $$ begin raise notice 'a notice'; raise warning 'a warning'; end $$");
    });
    auto const& lines = log->lines;
    auto const has = [&](db::level at, std::string_view text) {
        for (auto const& [each, line] : lines)
            if (each == at && mentions(line, text)) return true;
        return false;
    };
    BOOST_TEST(has(db::level::info, "NOTICE: a notice"));
    BOOST_TEST(has(db::level::warn, "WARNING: a warning"));
}

BOOST_AUTO_TEST_CASE(log_hook_that_throws_or_closes_is_survived)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto throwing = settings();
        throwing.log = [](db::level, std::string_view) { throw 1; };
        co_await conn.connect(throwing);
        co_await conn.script("do $$ begin raise notice 'x'; end $$");
        auto closing = settings();
        closing.log = [&](db::level, std::string_view line) {
            if (mentions(line, "close now")) conn.close();
        };
        co_await conn.connect(closing);
        auto const closed = co_await failure_of(conn.script("do $$ begin raise notice 'close now'; end $$"));
        BOOST_TEST((closed.code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_SUITE_END()
