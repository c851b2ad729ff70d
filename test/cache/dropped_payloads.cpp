#include <pgtally/cache/dropped_payloads.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using pgtally::dropped_payloads;

namespace {

struct fixture {
    dropped_payloads dropped;
    dropped_payloads::time_point now{1h};

    std::string report() { return dropped.report(now).value_or(""); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_dropped_payloads, fixture)

BOOST_AUTO_TEST_CASE(nothing_dropped_nothing_is_reported)
{
    BOOST_TEST(report() == "");
}

BOOST_AUTO_TEST_CASE(first_one_is_reported_at_once)
{
    dropped.add("not_json");
    BOOST_TEST(report() ==
               "dropped 1 payload(s) that are no events of a tally here, the last one as not_json; any role can send "
               "them");
    BOOST_TEST(report() == "");
}

BOOST_AUTO_TEST_CASE(later_ones_are_reported_together_after_the_interval)
{
    dropped.add("not_json");
    report();
    for (auto const* reason : {"not_json", "too_long", "wrong_key"}) dropped.add(reason);
    now += 9'999ms;
    BOOST_TEST(report() == "");
    now += 1ms;
    BOOST_TEST(report() ==
               "dropped 3 payload(s) that are no events of a tally here, the last one as wrong_key; any role can send "
               "them");
    now += 1h;
    BOOST_TEST(report() == "");
}

BOOST_AUTO_TEST_SUITE_END()
