#include <pgtally/server/materialize/reasons.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_reasons)

BOOST_AUTO_TEST_CASE(each_is_new_once_until_there_are_too_many)
{
    pgtally::server::reasons said{3};
    for (auto const* const reason : {"a", "b", "c"}) BOOST_TEST(said.is_new(reason));
    for (auto const* const reason : {"a", "b", "c"}) BOOST_TEST(!said.is_new(reason));
    BOOST_TEST(said.is_new("d"));
    BOOST_TEST(!said.is_new("d"));
    BOOST_TEST(said.is_new("a"));
    said.clear();
    BOOST_TEST(said.is_new("d"));
}

BOOST_AUTO_TEST_SUITE_END()
