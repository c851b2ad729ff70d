#include <pgtally/server/ask/counters_text.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/ask/screen.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_ask_text)

using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(a_key_cannot_move_the_cursor)
{
    BOOST_TEST(readable("33") == "33");
    BOOST_TEST(readable("Zürich") == "Zürich");
    BOOST_TEST(readable("") == "\"\"");
    BOOST_TEST(readable("a b") == "\"a b\"");
    BOOST_TEST(readable("say \"hi\"") == "\"say \\\"hi\\\"\"");
    BOOST_TEST(readable("\x1b[2J") == "\"\\u001b[2J\"");
    BOOST_TEST(readable("\xc2\x9b"
                        "2J") == "\"\\u009b2J\"");  // CSI as one character
    BOOST_TEST(readable("a\xe2\x80\xae"
                        "b") == "\"a\\u202eb\"");  // right-to-left override
    BOOST_TEST(readable("\xff") == "\"\\ufffd\"");
    BOOST_TEST(printable("no\nway \x1b[31m") == "no?way ?[31m");
}

BOOST_AUTO_TEST_CASE(columns_are_code_points)
{
    BOOST_TEST(columns("Zürich") == 6U);
    BOOST_TEST(first_columns("Zürich", 2) == "Zü");
    BOOST_TEST(first_columns("ab", 5) == "ab");
}

BOOST_AUTO_TEST_CASE(a_key_is_one_segment)
{
    BOOST_TEST(percent_encoded("a/b ü?") == "a%2Fb%20%C3%BC%3F");
}

BOOST_AUTO_TEST_CASE(tables_are_aligned)
{
    counters_answer const what{{"rts", "favs"}, {{"33", {2, 1}}, {"Zürich", {-10, 1000000}}}};
    auto const lines = table_lines(what, false);
    BOOST_TEST_REQUIRE(lines.size() == 3U);
    BOOST_TEST(lines[0] == "key     rts     favs");
    BOOST_TEST(lines[1] == "33        2        1");
    BOOST_TEST(lines[2] == "Zürich  -10  1000000");
    BOOST_TEST(table_lines(what, true)[1] == "    1  33        2        1");
    BOOST_TEST(counters_line(what.names, what.rows[0]) == "33 rts=2 favs=1");
    BOOST_TEST(counters_object(what.names, what.rows[0]) == R"({"key":"33","counters":{"rts":2,"favs":1}})");
}

BOOST_AUTO_TEST_CASE(the_screen_is_painted_in_place)
{
    screen one;
    BOOST_TEST(one.paint({"abc", "d"}, {10, 2}) == "\r\x1b[Jab\nd\n");
    BOOST_TEST(one.paint({"e"}, {10, 2}) == "\x1b[2A\r\x1b[Je\n");
    BOOST_TEST(one.paint({"1", "2", "3"}, {3, 2}) == "\x1b[1A\r\x1b[J1\n2\n");  // the cursor is in the last line
}

BOOST_AUTO_TEST_SUITE_END()
