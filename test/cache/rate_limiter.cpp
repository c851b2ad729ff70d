#include <pgtally/cache/rate_limiter.hpp>

#include <boost/test/unit_test.hpp>

using namespace pgtally;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(test_pace)

BOOST_AUTO_TEST_CASE(a_burst_at_once_then_one_an_interval)
{
    rate_limiter p{1s, 3};
    rate_limiter::time_point const start{1h};
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST((p.ready() <= start));
        p.done(start);
    }
    BOOST_TEST((p.ready() == start + 1s));
    p.done(start + 1s);
    BOOST_TEST((p.ready() == start + 2s));
    // Requests that were not made accumulate, up to the burst.
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST((p.ready() <= start + 1min));
        p.done(start + 1min);
    }
    BOOST_TEST((p.ready() == start + 1min + 1s));
}

BOOST_AUTO_TEST_CASE(what_costs_much_is_paused_for_as_long)
{
    rate_limiter p{1s, 1};
    rate_limiter::time_point const start{1h};
    p.done(start, 10s);
    BOOST_TEST((p.ready() == start + 10s));
    p.done(start + 10s, 10ms);
    BOOST_TEST((p.ready() == start + 11s));
}

BOOST_AUTO_TEST_SUITE_END()
