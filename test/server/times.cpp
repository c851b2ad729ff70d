#include <pgtally/server/times.hpp>

#include <boost/test/unit_test.hpp>

#include <prometheus/histogram.h>

#include <vector>

BOOST_AUTO_TEST_SUITE(test_times)

BOOST_AUTO_TEST_CASE(a_histogram_gets_each_time_once)
{
    std::vector<double> const bounds{0.1, 1};
    prometheus::Histogram into{bounds};
    pgtally::server::times times{into, bounds};
    for (double const each : {0.05, 0.1, 0.11, 1.0, 2.0}) times.add(each);
    times.hand_over();
    times.hand_over();
    auto found = into.Collect().histogram;
    BOOST_TEST(found.sample_count == 5U);
    BOOST_TEST(found.sample_sum == 3.26, boost::test_tools::tolerance(1e-9));
    // A time that is equal to a bound belongs to it, as `le` says.
    BOOST_TEST(found.bucket[0].cumulative_count == 2U);
    BOOST_TEST(found.bucket[1].cumulative_count == 4U);
    BOOST_TEST(found.bucket[2].cumulative_count == 5U);
    times.add(0.5);
    times.hand_over();
    found = into.Collect().histogram;
    BOOST_TEST(found.sample_count == 6U);
    BOOST_TEST(found.bucket[1].cumulative_count == 5U);
}

BOOST_AUTO_TEST_SUITE_END()
