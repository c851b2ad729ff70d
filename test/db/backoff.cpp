#include <pgtally/db/backoff.hpp>

#include <boost/test/unit_test.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(test_backoff)

using pgtally::db::backoff;
using pgtally::db::backoff_limits;
using std::chrono::milliseconds;

namespace {

backoff with(double drawn, milliseconds first = milliseconds{100}, milliseconds cap = milliseconds{10'000})
{
    backoff_limits limits;
    limits.first = first;
    limits.cap = cap;
    return backoff(limits, [drawn] { return drawn; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(highest_draw_doubles_up_to_the_cap)
{
    auto pauses = with(0.999999);
    std::vector<long> seen;
    for (int i = 0; i < 9; ++i) seen.push_back(pauses.next().count());
    std::vector<long> const wanted{200, 400, 800, 1600, 3200, 6400, 10'000, 10'000, 10'000};
    BOOST_TEST(seen == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lowest_draw_is_the_first_pause)
{
    auto pauses = with(0.0);
    for (int i = 0; i < 20; ++i) BOOST_TEST(pauses.next().count() == 100);
}

BOOST_AUTO_TEST_CASE(draws_are_spread_between_the_bounds)
{
    auto pauses = with(0.5);
    BOOST_TEST(pauses.next().count() == 150);
    BOOST_TEST(pauses.next().count() == 250);
}

BOOST_AUTO_TEST_CASE(reset_begins_again)
{
    auto pauses = with(0.999999);
    for (int i = 0; i < 5; ++i) static_cast<void>(pauses.next());
    pauses.reset();
    BOOST_TEST(pauses.next().count() == 200);
}

BOOST_AUTO_TEST_CASE(limits_that_make_no_sense_are_raised)
{
    auto pauses = with(0.999999, milliseconds{0}, milliseconds{-5});
    for (int i = 0; i < 5; ++i) BOOST_TEST(pauses.next().count() == 1);
}

BOOST_AUTO_TEST_CASE(draw_out_of_range_stays_between_the_bounds)
{
    auto low = with(-1.0);
    BOOST_TEST(low.next().count() == 100);
    auto high = with(7.0);
    BOOST_TEST(high.next().count() == 200);
}

BOOST_AUTO_TEST_CASE(enormous_limits_do_not_overflow)
{
    auto pauses = with(0.5, milliseconds{1}, milliseconds{1LL << 50});
    auto last = milliseconds{0};
    for (int i = 0; i < 100; ++i) {
        auto const next = pauses.next();
        BOOST_TEST((next >= last && next <= pauses.cap()));
        last = next;
    }
}

BOOST_AUTO_TEST_SUITE_END()
