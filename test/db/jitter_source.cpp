#include <pgtally/db/jitter_source.hpp>

#include <boost/test/unit_test.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(test_jitter_source)

using namespace pgtally::db;

BOOST_AUTO_TEST_CASE(numbers_are_in_range_and_spread)
{
    auto source = jitter_source();
    int low = 0, high = 0;
    for (int i = 0; i < 1'000; ++i) {
        auto const number = source();
        BOOST_TEST_REQUIRE((number >= 0.0 && number < 1.0));
        low += number < 0.5 ? 1 : 0;
        high += number >= 0.5 ? 1 : 0;
    }
    BOOST_TEST(low > 300);
    BOOST_TEST(high > 300);
}

BOOST_AUTO_TEST_CASE(sources_differ)
{
    auto one = jitter_source(), other = jitter_source();
    std::vector<double> first, second;
    for (int i = 0; i < 10; ++i) {
        first.push_back(one());
        second.push_back(other());
    }
    BOOST_TEST((first != second));
}

BOOST_AUTO_TEST_SUITE_END()
