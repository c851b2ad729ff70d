#include "../../tools/play/audience.hpp"

#include "../../tools/play/programme.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace {

namespace play = pgtally::play;
using play::act;
using play::action;
using play::audience;

std::vector<act> acts_of(audience& crowd, std::size_t many)
{
    std::vector<act> all;
    for (std::size_t i = 0; i < many; ++i) all.push_back(crowd.next());
    return all;
}

audience crowd_of(std::uint64_t seed, std::size_t messages, play::audience_habits habits = play::audience_habits())
{
    audience crowd(seed, habits);
    for (std::size_t i = 0; i < messages; ++i) crowd.hear();
    return crowd;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_zipf)

BOOST_AUTO_TEST_CASE(places_have_the_widths_of_the_law)
{
    play::zipf law(1);  // 1, 1/2, 1/3: of 11/6 they take 6/11, 3/11, 2/11
    BOOST_TEST(law.place(0.0, 3) == 0U);
    BOOST_TEST(law.place(6.0 / 11 - 1e-9, 3) == 0U);
    BOOST_TEST(law.place(6.0 / 11 + 1e-9, 3) == 1U);
    BOOST_TEST(law.place(9.0 / 11 - 1e-9, 3) == 1U);
    BOOST_TEST(law.place(9.0 / 11 + 1e-9, 3) == 2U);
    BOOST_TEST(law.place(std::nextafter(1.0, 0.0), 3) == 2U);
}

BOOST_AUTO_TEST_CASE(number_of_ranks_may_grow_and_shrink)
{
    play::zipf law(1);
    BOOST_TEST(law.place(0.99, 1) == 0U);
    BOOST_TEST(law.place(0.99, 1000) > 100U);
    BOOST_TEST(law.place(0.99, 2) == 1U);
    BOOST_TEST(law.place(std::nextafter(1.0, 0.0), 100'000) < 100'000U);
}

BOOST_AUTO_TEST_CASE(exponent_0_makes_all_alike)
{
    play::zipf law(0);
    for (std::size_t i = 0; i < 10; ++i) BOOST_TEST(law.place((static_cast<double>(i) + 0.5) / 10, 10) == i);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(test_audience)

BOOST_AUTO_TEST_CASE(seed_repeats_and_another_seed_does_not)
{
    auto first = crowd_of(7, 40);
    auto second = crowd_of(7, 40);
    auto other = crowd_of(8, 40);
    auto const acts = acts_of(first, 1'000);
    BOOST_TEST((acts == acts_of(second, 1'000)));
    BOOST_TEST((acts != acts_of(other, 1'000)));
}

// The generator is the standard's, the rest is our own: the same on every machine.
BOOST_AUTO_TEST_CASE(seed_means_the_same_everywhere)
{
    auto crowd = crowd_of(1, 3);
    std::vector<std::size_t> messages;
    for (auto const& one : acts_of(crowd, 8)) messages.push_back(one.message);
    std::vector<std::size_t> const known{1, 1, 2, 2, 1, 1, 2, 1};
    BOOST_TEST(messages == known, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(popularity_follows_the_law)
{
    constexpr std::size_t messages = 50;
    constexpr std::size_t many = 100'000;
    auto crowd = crowd_of(42, messages);
    std::map<std::size_t, double> chosen;
    for (auto const& one : acts_of(crowd, many)) ++chosen[one.message];
    std::vector<double> found;
    for (auto const& [message, times] : chosen) found.push_back(times);
    std::sort(found.rbegin(), found.rend());

    double sum = 0;
    for (std::size_t rank = 1; rank <= messages; ++rank) sum += std::pow(static_cast<double>(rank), -1.07);
    BOOST_TEST_REQUIRE(found.size() == messages);
    for (std::size_t rank = 1; rank <= 10; ++rank) {
        auto const share = std::pow(static_cast<double>(rank), -1.07) / sum;
        BOOST_TEST(found[rank - 1] == share * many, boost::test_tools::tolerance(0.05));
    }
}

BOOST_AUTO_TEST_CASE(popularity_has_nothing_to_do_with_the_place_in_the_play)
{
    std::map<std::size_t, int> leaders;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        play::audience_habits habits;
        habits.exponent = 20;  // all acts are about the most popular message
        auto crowd = crowd_of(seed, 10, habits);
        ++leaders[crowd.next().message];
    }
    BOOST_TEST(leaders.size() > 5U);
}

BOOST_AUTO_TEST_CASE(shares_are_those_of_the_habits)
{
    play::audience_habits habits;
    habits.likes = 0.7;
    habits.take_backs = 0.1;
    auto crowd = crowd_of(3, 20, habits);
    std::map<action, double> found;
    for (auto const& one : acts_of(crowd, 100'000)) ++found[one.what];
    auto const near = boost::test_tools::tolerance(0.03);
    BOOST_TEST(found[action::fav] + found[action::de_fav] == 70'000.0, near);
    BOOST_TEST(found[action::rt] + found[action::de_rt] == 30'000.0, near);
    BOOST_TEST(found[action::de_fav] + found[action::de_rt] == 10'000.0, near);
}

// Only acts older than `age` acts.
BOOST_AUTO_TEST_CASE(nothing_is_taken_back_that_was_not_given_long_ago)
{
    play::audience_habits habits;
    habits.take_backs = 0.9;
    habits.age = 5;
    auto crowd = crowd_of(4, 3, habits);
    auto const all = acts_of(crowd, 5'000);
    std::map<std::size_t, std::int64_t> favs;
    std::map<std::size_t, std::int64_t> rts;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i >= habits.age + 1) {
            auto const& old = all[i - habits.age - 1];
            favs[old.message] += old.what == action::fav;
            rts[old.message] += old.what == action::rt;
        }
        auto const& one = all[i];
        bool const takes = one.what == action::de_fav || one.what == action::de_rt;
        taken += takes;
        if (one.what == action::de_fav) BOOST_TEST_REQUIRE(--favs[one.message] >= 0);
        if (one.what == action::de_rt) BOOST_TEST_REQUIRE(--rts[one.message] >= 0);
    }
    BOOST_TEST(taken > 1'000U);
}

BOOST_AUTO_TEST_CASE(what_failed_is_not_taken_back)
{
    play::audience_habits habits;
    habits.take_backs = 1;
    habits.age = 4;
    auto crowd = crowd_of(5, 2, habits);
    for (std::size_t i = 0; i < 1'000; ++i) {
        auto const one = crowd.next();
        BOOST_TEST_REQUIRE((one.what == action::fav || one.what == action::rt));
        crowd.failed(one);
    }
}

BOOST_AUTO_TEST_CASE(what_failed_late_is_not_taken_back_either)
{
    play::audience_habits habits;
    habits.likes = 1;
    habits.take_backs = 1;
    habits.age = 0;
    auto crowd = crowd_of(6, 1, habits);
    auto const like = crowd.next();
    BOOST_TEST((like == act{0, action::fav}));
    crowd.failed(like);  // no longer among the recent ones
    BOOST_TEST((crowd.next() == act{0, action::fav}));
    BOOST_TEST((crowd.next() == act{0, action::de_fav}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(test_programme)

namespace {

std::string written(play::programme plan, std::size_t most = 100)
{
    std::string all;
    for (std::size_t i = 0; i < most; ++i) {
        auto const what = plan.next();
        if (what == play::step::end) return all + '.';
        all += what == play::step::speech ? 'S' : 'a';
    }
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(programme_is_a_speech_and_its_acts_by_turns)
{
    BOOST_TEST(written(play::programme(3, 2, play::until::play_ends, 0)) == "SaaSaaSaa.");
    BOOST_TEST(written(play::programme(2, 0, play::until::play_ends, 0)) == "SS.");
}

BOOST_AUTO_TEST_CASE(programme_ends_after_its_acts_wherever_the_play_is)
{
    BOOST_TEST(written(play::programme(3, 2, play::until::acts, 3)) == "SaaSa.");
    BOOST_TEST(written(play::programme(2, 1, play::until::acts, 5)) == "SaSaaaa.");
    BOOST_TEST(written(play::programme(2, 1, play::until::acts, 0)) == ".");
}

BOOST_AUTO_TEST_CASE(programme_without_end_has_the_audience_go_on)
{
    BOOST_TEST(written(play::programme(2, 1, play::until::stopped, 0), 8) == "SaSaaaaa");
}

BOOST_AUTO_TEST_CASE(pace_keeps_the_rate_and_makes_up_for_a_second_only)
{
    using namespace std::chrono_literals;
    play::pace::clock::time_point const start{1000s};
    play::pace beat(10);
    BOOST_TEST((beat.next(start) == start));
    BOOST_TEST((beat.next(start + 1ms) == start + 100ms));
    BOOST_TEST((beat.next(start + 500ms) == start + 200ms));
    BOOST_TEST((beat.next(start + 1min) == start + 59s));
    BOOST_TEST((beat.next(start + 1min) == start + 59s + 100ms));
}

BOOST_AUTO_TEST_SUITE_END()
