// COPY's text format, against psql and against itself.

#include <pgtally/db/copy_text.hpp>
#include <pgtally/test/db/psql.hpp>

#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(test_copy_text)

using namespace pgtally;
using namespace pgtally::test;

namespace {

using row = db::copy_text_reader::row;

std::vector<row> odd_rows()
{
    std::string controls;
    for (char c = 1; c < 32; ++c) controls += c;
    return {
        {"a", "b"},
        {std::nullopt, ""},
        {"", std::nullopt},
        {"\\N", "\\."},
        {"tab\tnewline\nreturn\rback\\slash", controls + "\x7f"},
        {"\\b\\1\\x1", "\u00e4 \U0001F600"},
        {"NULL", "'\""},
    };
}

std::string written(std::vector<row> const& rows)
{
    std::string bytes;
    db::copy_text_writer writer(2);
    for (auto const& each : rows) {
        std::vector<db::copy_text_writer::field> const fields(each.begin(), each.end());
        writer.append(bytes, fields);
    }
    BOOST_TEST(writer.rows() == rows.size());
    return bytes;
}

void drain(db::copy_text_reader& from, std::vector<row>& into)
{
    while (auto next = from.next()) into.push_back(std::move(*next));
}

std::vector<row> read(std::string_view bytes, std::size_t columns = 2, db::copy_limits limits = db::copy_limits())
{
    std::vector<row> rows;
    db::copy_text_reader reader(columns, limits);
    reader.feed(bytes);
    drain(reader, rows);
    reader.finish();
    BOOST_TEST(reader.rows() == rows.size());
    return rows;
}

std::string why_not(std::string_view bytes, db::copy_limits limits = db::copy_limits())
{
    try {
        static_cast<void>(read(bytes, 2, limits));
    } catch (db::error const& thrown) {
        BOOST_TEST((thrown.code() == db::errc::bad_result));
        return thrown.what();
    }
    return "";
}

std::string why_not_written(std::vector<db::copy_text_writer::field> const& fields)
{
    std::string bytes = "before";
    db::copy_text_writer writer(2);
    try {
        writer.append(bytes, fields);
    } catch (db::error const& thrown) {
        BOOST_TEST((thrown.code() == db::errc::bad_parameter));
        BOOST_TEST(bytes == "before");
        return thrown.what();
    }
    return "";
}

}  // namespace

BOOST_AUTO_TEST_CASE(postgresql_takes_and_gives_odd_texts)
{
    auto const& server = cluster::shared();
    server.sql("drop table if exists copied_text; create table copied_text (a text, b text)");
    auto const rows = odd_rows();
    copy_in("copy copied_text from stdin", written(rows));
    BOOST_TEST(server.sql("select count(*) from copied_text") == std::to_string(rows.size()));
    BOOST_TEST(server.sql("select count(*) from copied_text where a is null and b = ''") == "1");
    BOOST_TEST(server.sql("select a || b from copied_text where a = E'\\\\N'") == "\\N\\.");
    BOOST_TEST(server.sql("select a from copied_text where length(b) = 32") == "tab\tnewline\nreturn\rback\\slash");
    auto const bytes = copy_out("copy copied_text to stdout");
    BOOST_TEST(bytes == written(rows));
    BOOST_TEST((read(bytes) == rows));
}

BOOST_AUTO_TEST_CASE(rows_may_be_cut_at_every_byte)
{
    auto const rows = odd_rows();
    auto const bytes = written(rows);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        std::vector<row> got;
        db::copy_text_reader reader(2);
        reader.feed(std::string_view(bytes).substr(0, cut));
        drain(reader, got);
        reader.feed(std::string_view(bytes).substr(cut));
        drain(reader, got);
        reader.finish();
        BOOST_TEST((got == rows), "cut at " << cut);
    }
}

BOOST_AUTO_TEST_CASE(all_escapes_of_the_manual_are_read)
{
    auto const rows = read("\\101\\x42\\b\\f\\v\\q\t\\x\\\\\\377\\0011\n\\.\n");
    BOOST_REQUIRE(rows.size() == 1u);
    BOOST_TEST(rows[0][0].value() == "AB\b\f\vq");
    BOOST_TEST(rows[0][1].value() == "x\\\377\0011");
    BOOST_TEST(read("", 1).empty());
    BOOST_TEST(read("\n", 1).at(0).at(0).value() == "");
}

BOOST_AUTO_TEST_CASE(malformed_input_is_an_error_that_names_the_row)
{
    std::string const bad = "COPY is malformed: ";
    BOOST_TEST(why_not("a\tb\na\n") == bad + "row 2 has 1 columns, expected 2");
    BOOST_TEST(why_not("a\tb\tc\n") == bad + "row 1 has 3 columns, expected 2");
    BOOST_TEST(why_not("\n") == bad + "row 1 has 1 columns, expected 2");
    BOOST_TEST(why_not("a\tb") == bad + "row 1 has no line end");
    BOOST_TEST(why_not("a\tb\r\n") == bad + "row 1 holds a bare carriage return");
    BOOST_TEST(why_not("a\tb\\\n") == bad + "row 1 has a value that ends with a backslash");
    BOOST_TEST(why_not("a\t\\0\n") == bad + "row 1 holds a NUL character");
    BOOST_TEST(why_not(std::string("a\t\0\n", 4)) == bad + "row 1 holds a NUL character");
    BOOST_TEST(why_not("\\.\na\tb\n") == bad + "row 1 comes after the end");
    db::copy_limits limits;
    limits.max_row_bytes = 4;
    BOOST_TEST(why_not("a\tb\n", limits) == "");
    BOOST_TEST(why_not("a\tb\na\tbc\n", limits) == bad + "row 2 is longer than 4 bytes");
    BOOST_TEST(why_not("a\tbcd", limits) == bad + "row 1 is longer than 4 bytes");
}

BOOST_AUTO_TEST_CASE(fields_that_cannot_be_written_are_refused)
{
    BOOST_TEST(why_not_written({"a"}) == "COPY, row 1 has 1 columns, expected 2");
    BOOST_TEST(why_not_written({std::nullopt, std::string_view("\0", 1)}) ==
               "COPY, row 1, column 2 holds a NUL character");
    BOOST_TEST(why_not_written({"a", std::nullopt}) == "");
}

BOOST_AUTO_TEST_SUITE_END()
