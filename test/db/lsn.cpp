#include <pgtally/db/lsn.hpp>

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string_view>

using pgtally::db::lsn;
using pgtally::db::parse_lsn;
using pgtally::db::to_string;

BOOST_AUTO_TEST_SUITE(test_lsn)

BOOST_AUTO_TEST_CASE(printed_as_postgresql_does)
{
    BOOST_TEST(to_string(lsn{0}) == "0/0");
    BOOST_TEST(to_string(lsn{0x1'0000'0000}) == "1/0");
    BOOST_TEST(to_string(lsn{0x16'b374'd848}) == "16/B374D848");
    BOOST_TEST(to_string(lsn{std::numeric_limits<std::uint64_t>::max()}) == "FFFFFFFF/FFFFFFFF");
}

BOOST_AUTO_TEST_CASE(parsed_and_printed_again)
{
    for (std::string_view const text : {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/1A2B"}) {
        auto const parsed = parse_lsn(text);
        BOOST_REQUIRE(parsed);
        BOOST_TEST(to_string(*parsed) == text);
    }
    BOOST_TEST((parse_lsn("16/b374d848") == lsn{0x16'b374'd848}));
    BOOST_TEST((parse_lsn("0/0000000A") == lsn{10}));
}

BOOST_AUTO_TEST_CASE(other_texts_are_no_positions)
{
    for (std::string_view const text : {"", "/", "0", "0/", "/0", "0/0/0", "0/G", "0/-1", "0x1/0", " 0/0", "0/0 ",
                                        "100000000/0", "0/100000000", "000000000/0"})
        BOOST_TEST(!parse_lsn(text), text);
}

BOOST_AUTO_TEST_CASE(ordered_by_value)
{
    BOOST_TEST((*parse_lsn("0/FFFFFFFF") < *parse_lsn("1/0")));
    BOOST_TEST((*parse_lsn("9/0") < *parse_lsn("A/0")));
}

BOOST_AUTO_TEST_SUITE_END()
