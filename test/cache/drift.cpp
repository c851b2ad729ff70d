#include <pgtally/cache/drift.hpp>

#include <boost/test/unit_test.hpp>

using namespace pgtally::cache;

BOOST_AUTO_TEST_SUITE(test_drift)

BOOST_AUTO_TEST_CASE(describes_a_key_in_one_line_whatever_is_in_it)
{
    std::vector<std::string> const counters{"rts", "favs"};
    BOOST_TEST(describe({"33", {5, 0}, {2, -1}}, counters) ==
               R"(key "33" showed rts=5 favs=0, the truth is rts=2 favs=-1)");
    BOOST_TEST(describe({"a\nb\x7f\x1b[m\"\\", {1, 1}, {1, 2}}, counters) ==
               R"(key "a\u000ab\u007f\u001b[m\"\\" showed rts=1 favs=1, the truth is rts=1 favs=2)");
    BOOST_TEST(describe({"ä", {1}, {}}, counters) == "key \"ä\" showed rts=1, the truth is");
}

BOOST_AUTO_TEST_SUITE_END()
