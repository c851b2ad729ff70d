// COPY's binary format, against psql and against itself.

#include <pgtally/db/copy_format.hpp>
#include <pgtally/test/db/psql.hpp>

#include <boost/uuid/string_generator.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

BOOST_AUTO_TEST_SUITE(test_copy_format)

using namespace pgtally;
using namespace pgtally::test;
namespace chrono = std::chrono;

namespace {

using at = chrono::sys_time<chrono::microseconds>;
using local = chrono::local_time<chrono::microseconds>;
using everything =
    std::tuple<std::int16_t, std::int32_t, std::int64_t, std::uint32_t, bool, float, double, std::string,
               std::vector<std::byte>, at, local, chrono::sys_days, boost::uuids::uuid, db::json,
               std::vector<std::int64_t>, std::vector<std::optional<std::string>>, std::vector<chrono::sys_days>,
               std::optional<std::string>, std::optional<std::vector<bool>>>;

constexpr auto table =
    "drop table if exists copied; create table copied (a smallint, b integer, c bigint, d oid, e boolean, f real,"
    " g double precision, h text, i bytea, j timestamptz, k timestamp, l date, m uuid, n json, o bigint[], p text[],"
    " q date[], r varchar, s boolean[])";

std::vector<std::byte> all_bytes()
{
    std::vector<std::byte> result;
    for (int i = 0; i < 256; ++i) result.push_back(static_cast<std::byte>(i));
    return result;
}

std::vector<everything> edges()
{
    using i64 = std::numeric_limits<std::int64_t>;
    auto const uuid = boost::uuids::string_generator()("4c1ee2d2-58f5-4c5b-ae4e-9b7ce0a4c1ab");
    return {
        {-32768,
         -2147483647 - 1,
         i64::min(),
         4294967295U,
         true,
         0.1F,
         -std::numeric_limits<double>::infinity(),
         "a\tb\nc\\d\u00e4\U0001F600",
         all_bytes(),
         at::max(),
         local::min(),
         chrono::sys_days::max(),
         uuid,
         db::json(R"({"a": "\\"})"),
         {1, i64::max()},
         {"x", std::nullopt, ""},
         {chrono::sys_days()},
         std::nullopt,
         std::vector<bool>{true, false}},
        {0,
         0,
         0,
         0,
         false,
         0,
         0,
         "",
         {},
         at(),
         local(),
         chrono::sys_days(),
         boost::uuids::uuid(),
         db::json("null"),
         {},
         {},
         {},
         "",
         std::nullopt},
    };
}

template <class Row>
std::string encoded(std::vector<Row> const& rows)
{
    std::string bytes;
    db::copy_encoder<Row> encoder;
    for (auto const& each : rows) encoder.append(bytes, each);
    encoder.finish(bytes);
    return bytes;
}

template <class Row>
void drain(db::copy_decoder<Row>& from, std::vector<Row>& into)
{
    while (auto row = from.next()) into.push_back(std::move(*row));
}

template <class Row>
std::vector<Row> decoded(std::string_view bytes, db::copy_limits limits = db::copy_limits())
{
    std::vector<Row> rows;
    db::copy_decoder<Row> decoder(limits);
    decoder.feed(bytes);
    drain(decoder, rows);
    decoder.finish();
    BOOST_TEST(decoder.done());
    BOOST_TEST(decoder.rows() == rows.size());
    return rows;
}

template <class Row>
std::string why_not(std::string_view bytes, db::copy_limits limits = db::copy_limits())
{
    try {
        static_cast<void>(decoded<Row>(bytes, limits));
    } catch (db::error const& thrown) {
        BOOST_TEST((thrown.code() == db::errc::bad_result));
        return thrown.what();
    }
    return "";
}

using small = std::tuple<std::int32_t, std::optional<std::string>>;

std::vector<small> random_rows(std::size_t count)
{
    std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same each time
    std::vector<small> rows;
    for (std::size_t i = 0; i < count; ++i) {
        std::optional<std::string> text;
        if (random() % 4 != 0) text = std::string(random() % 12, static_cast<char>('a' + random() % 26));
        rows.emplace_back(static_cast<std::int32_t>(random()), text);
    }
    return rows;
}

std::string header()
{
    return std::string("PGCOPY\n\377\r\n\0", 11) + std::string(8, '\0');
}

struct item {
    std::int64_t id;
    std::string name;
    std::optional<double> price;
};

}  // namespace

BOOST_AUTO_TEST_CASE(postgresql_takes_and_gives_every_type)
{
    cluster::shared().sql(table);
    auto const rows = edges();
    copy_in("copy copied from stdin (format binary)", encoded(rows));
    auto const& server = cluster::shared();
    BOOST_TEST(server.sql("select count(*) from copied") == "2");
    BOOST_TEST(server.sql("select (a, b, c, d, e, f, g)::text from copied where e") ==
               "(-32768,-2147483648,-9223372036854775808,4294967295,t,0.1,-Infinity)");
    BOOST_TEST(server.sql("select h || length(i) from copied where e") == "a\tb\nc\\d\u00e4\U0001F600256");
    BOOST_TEST(server.sql("select (j, k, l, m, n->>'a', o, p, q, r, s)::text from copied where e") ==
               R"((infinity,-infinity,infinity,4c1ee2d2-58f5-4c5b-ae4e-9b7ce0a4c1ab,"\\","{1,9223372036854775807}",)"
               R"("{x,NULL,""""}",{1970-01-01},,"{t,f}"))");
    auto const back = decoded<everything>(copy_out("copy copied to stdout (format binary)"));
    BOOST_TEST((back == rows));
}

BOOST_AUTO_TEST_CASE(structs_and_single_values_are_rows)
{
    auto const items = decoded<item>(
        copy_out("copy (select i::bigint, i::text, case i when 2 then 0.5::float8 end from generate_series(1, 3) i)"
                 " to stdout (format binary)"));
    BOOST_REQUIRE(items.size() == 3u);
    BOOST_TEST(items[1].id == 2);
    BOOST_TEST(items[1].name == "2");
    BOOST_TEST(items[1].price.value() == 0.5);
    BOOST_TEST(!items[2].price);
    auto const again = decoded<item>(encoded(items));
    BOOST_TEST(again.at(2).name == "3");
    auto const numbers =
        decoded<std::int64_t>(copy_out("copy (select generate_series(1, 10000)::bigint) to stdout (format binary)"));
    BOOST_TEST(numbers.size() == 10'000u);
    BOOST_TEST(numbers.back() == 10'000);
    BOOST_TEST(decoded<bool>(copy_out("copy (select true where false) to stdout (format binary)")).empty());
    BOOST_TEST(encoded(std::vector<bool>()) == header() + "\xff\xff");
}

BOOST_AUTO_TEST_CASE(rows_may_be_cut_at_every_byte)
{
    auto const rows = random_rows(20);
    auto const bytes = encoded(rows);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        std::vector<small> got;
        db::copy_decoder<small> decoder;
        decoder.feed(std::string_view(bytes).substr(0, cut));
        drain(decoder, got);
        if (cut < bytes.size()) {
            BOOST_TEST(!decoder.done());
            BOOST_CHECK_THROW(decoder.finish(), db::error);
        }
        decoder.feed(std::string_view(bytes).substr(cut));
        drain(decoder, got);
        decoder.finish();
        BOOST_TEST((got == rows), "cut at " << cut);
    }
    std::vector<small> got;
    db::copy_decoder<small> decoder;
    for (char const byte : bytes) {
        decoder.feed(std::string_view(&byte, 1));
        drain(decoder, got);
    }
    BOOST_TEST(decoder.done());
    BOOST_TEST((got == rows));
}

BOOST_AUTO_TEST_CASE(any_byte_changed_gives_rows_or_an_error)
{
    auto const bytes = encoded(edges());
    std::size_t errors = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (auto const value : {'\0', '\x7f', '\x80', '\xff'}) {
            auto changed = bytes;
            changed[i] = value;
            if (!why_not<everything>(changed).empty()) ++errors;
        }
    }
    BOOST_TEST(errors > 100u);
}

BOOST_AUTO_TEST_CASE(malformed_input_is_an_error_that_names_the_row)
{
    using one = std::tuple<std::int32_t>;
    using namespace std::string_literals;
    std::string const bad = "COPY is malformed: ";
    auto const head = header();
    auto const row = "\0\1\0\0\0\4\0\0\0\7"s;
    auto const end = "\xff\xff"s;
    BOOST_TEST(why_not<one>(head + row + end) == "");
    BOOST_TEST(why_not<one>("") == bad + "the data ends within the header");
    BOOST_TEST(why_not<one>("1\n") == bad + "no signature of the binary format");
    BOOST_TEST(why_not<one>("PGCOPY\n\377\r\n\1") == bad + "no signature of the binary format");
    BOOST_TEST(why_not<one>(head.substr(0, 18)) == bad + "the data ends within the header");
    BOOST_TEST(why_not<one>(head.substr(0, 11) + "\0\1\0\0\0\0\0\0"s) == bad + "unknown flags");
    BOOST_TEST(why_not<one>(head.substr(0, 15) + "\xff\xff\xff\xff") == bad + "a header of negative length");
    BOOST_TEST(why_not<one>(head.substr(0, 15) + "\0\0\0\3ab"s) == bad + "the data ends within the header");
    BOOST_TEST(why_not<one>(head.substr(0, 15) + "\0\0\0\3abc"s + row + end) == "");
    BOOST_TEST(why_not<one>(head + row) == bad + "the data ends before the trailer");
    BOOST_TEST(why_not<one>(head + row + "\xff") == bad + "the data ends within row 2");
    BOOST_TEST(why_not<one>(head + row + row.substr(0, 9)) == bad + "the data ends within row 2");
    BOOST_TEST(why_not<one>(head + row + end + "x") == bad + "bytes after the trailer");
    BOOST_TEST(why_not<one>(head + row + "\0\2"s) == bad + "row 2 has 2 columns, expected 1");
    BOOST_TEST(why_not<one>(head + "\xff\xfe") == bad + "row 1 has -2 columns, expected 1");
    BOOST_TEST(why_not<one>(head + "\0\1\xff\xff\xff\xfe"s) == bad + "row 1 has a value of negative length");
    BOOST_TEST(why_not<one>(head + row + "\0\1\xff\xff\xff\xff"s + end) ==
               "COPY, row 2, column 1: NULL, expected a value");
    BOOST_TEST(why_not<one>(head + "\0\1\0\0\0\2\0\1"s + end) ==
               "COPY, row 1, column 1: a value from PostgreSQL is malformed: an integer of the wrong size");
    auto const texts = copy_out("copy (select array[1]::text[]) to stdout (format binary)");
    BOOST_TEST(why_not<std::vector<std::int32_t>>(texts) ==
               "COPY, row 1, column 1: the array is text[], expected integer[]");
}

BOOST_AUTO_TEST_CASE(row_beyond_the_limit_is_refused_before_it_is_there)
{
    std::vector<std::string> const rows{std::string(90, 'x'), std::string(95, 'x')};
    auto const bytes = encoded(rows);
    db::copy_limits limits;
    limits.max_row_bytes = 101;  // two lengths, and 95
    BOOST_TEST(decoded<std::string>(bytes, limits).size() == 2u);
    limits.max_row_bytes = 100;
    db::copy_decoder<std::string> decoder(limits);
    decoder.feed(std::string_view(bytes).substr(0, bytes.size() - 2 - 95));
    BOOST_TEST(decoder.next().value().size() == 90u);
    try {
        static_cast<void>(decoder.next());
        BOOST_ERROR("it was taken");
    } catch (db::error const& thrown) {
        BOOST_TEST(thrown.what() == std::string("COPY is malformed: row 2 is longer than 100 bytes"));
    }
}

BOOST_AUTO_TEST_CASE(value_that_postgresql_cannot_hold_leaves_the_bytes_as_they_were)
{
    std::string bytes;
    db::copy_encoder<small> encoder;
    std::string const with_nul("a\0", 2);
    auto const refuse = [&] {
        try {
            encoder.append(bytes, small(1, with_nul));
        } catch (db::error const& thrown) {
            BOOST_TEST((thrown.code() == db::errc::bad_parameter));
            return std::string(thrown.what());
        }
        return std::string();
    };
    BOOST_TEST(refuse() == "COPY, row 1, column 2 holds a NUL character");
    BOOST_TEST(bytes == "");
    encoder.append(bytes, small(1, "a"));
    auto const before = bytes;
    BOOST_TEST(refuse() == "COPY, row 2, column 2 holds a NUL character");
    BOOST_TEST(bytes == before);
    encoder.finish(bytes);
    BOOST_TEST(decoded<small>(bytes).size() == 1u);
    BOOST_TEST(encoder.rows() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
