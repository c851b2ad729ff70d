#include <pgtally/cache/reason.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

using pgtally::cache::reason;

BOOST_AUTO_TEST_SUITE(test_reason)

BOOST_AUTO_TEST_CASE(none_says_nothing)
{
    reason const nothing;
    BOOST_TEST(nothing.empty());
    BOOST_TEST(nothing.text() == "");
    BOOST_TEST(nothing.in_public() == "");
}

BOOST_AUTO_TEST_CASE(in_public_only_the_kind_tells)
{
    reason const why{reason::kind::refused, "connection to db.example:5432/shop as counters failed (28P01)"};
    BOOST_TEST(!why.empty());
    BOOST_TEST(why.text() == "connection to db.example:5432/shop as counters failed (28P01)");
    BOOST_TEST(why.in_public() == "the database refuses the connection");
}

BOOST_AUTO_TEST_CASE(without_a_text_every_kind_has_its_sentence)
{
    for (int i = 1; i <= static_cast<int>(reason::kind::defect); ++i) {
        reason const why{static_cast<reason::kind>(i)};
        BOOST_TEST_CONTEXT("kind " << i)
        {
            BOOST_TEST(!why.in_public().empty());
            BOOST_TEST(why.text() == why.in_public());
        }
    }
}

BOOST_AUTO_TEST_CASE(equal_is_the_same_text_of_the_same_kind)
{
    BOOST_TEST((reason{reason::kind::deaf, "a"} == reason{reason::kind::deaf, "a"}));
    BOOST_TEST((reason{reason::kind::deaf, "a"} != reason{reason::kind::refused, "a"}));
    BOOST_TEST((reason{reason::kind::deaf, "a"} != reason{reason::kind::deaf, "b"}));
}

BOOST_AUTO_TEST_SUITE_END()
