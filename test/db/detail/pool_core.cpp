// The decisions of a pool, without connections.

#include <pgtally/db/detail/pool_core.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace pgtally::db;
using namespace pgtally::db::detail;
using namespace std::chrono_literals;

namespace {

using kind = pool_step::kind;
using leaving = pool_core::leaving;

pool_limits limits(std::size_t connections = 2, std::size_t waiting = 10)
{
    pool_limits made;
    made.max_connections = connections;
    made.max_waiting = waiting;
    made.max_connecting = connections;
    made.retry.first = 100ms;
    made.retry.cap = 10s;
    return made;
}

// A core, the time, and the steps that it returns: "connect 1", "1 to 2" (a connection and its caller).
struct world {
    explicit world(pool_limits with = limits()) : core(with, [] { return 0.999999; }) {}

    ticket enter()
    {
        auto const got = core.enter();
        BOOST_REQUIRE(got);
        return *got;
    }

    std::vector<std::string> steps()
    {
        std::vector<std::string> seen;
        for (;;) {
            auto const step = core.next(now);
            auto const which = std::to_string(static_cast<std::uint64_t>(step.member));
            switch (step.what) {
                case kind::nothing: return seen;
                case kind::hand_over:
                    seen.push_back(which + " to " + std::to_string(static_cast<std::uint64_t>(step.waiter)));
                    break;
                case kind::connect: seen.push_back("connect " + which); break;
                case kind::check: seen.push_back("check " + which); break;
                case kind::close: seen.push_back("close " + which); break;
            }
            BOOST_REQUIRE(seen.size() < 100u);
        }
    }

    void connected(int which) { core.connected(member_id(which), now); }
    std::vector<ticket> failed(int which, bool permanent = false)
    {
        return core.connect_failed(member_id(which), permanent, now);
    }
    fate back(int which, returned how = returned::clean) { return core.came_back(member_id(which), how, now); }
    fate tended(int which, bool good) { return core.tended(member_id(which), good, now); }

    // That many connections, in use by callers 1, 2, ...
    void take(int count)
    {
        for (int i = 1; i <= count; ++i) {
            enter();
            steps();
            connected(i);
            steps();
        }
        BOOST_REQUIRE_EQUAL(core.counters().in_use, static_cast<std::size_t>(count));
    }

    pool_core core;
    pool_core::time_point now{1h};
};

using steps = std::vector<std::string>;

}  // namespace

BOOST_TEST_SPECIALIZED_COLLECTION_COMPARE(steps)

BOOST_AUTO_TEST_SUITE(test_pool_core)

BOOST_AUTO_TEST_CASE(connects_as_many_as_wait_and_not_one_more)
{
    world w(limits(3));
    BOOST_TEST(w.steps() == steps{});
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 1"});
    w.enter();
    w.enter();
    w.enter();
    BOOST_TEST(w.steps() == (steps{"connect 2", "connect 3"}));
    w.connected(2);
    BOOST_TEST(w.steps() == steps{"2 to 1"});
    w.connected(1);
    w.connected(3);
    BOOST_TEST(w.steps() == (steps{"3 to 2", "1 to 3"}));
    w.back(3);
    BOOST_TEST(w.steps() == steps{"3 to 4"});
    BOOST_TEST(w.core.counters().acquired == 4u);
    BOOST_TEST(w.core.counters().in_use_max == 3u);
}

BOOST_AUTO_TEST_CASE(attempts_at_once_are_limited)
{
    auto few = limits(5);
    few.max_connecting = 2;
    world w(few);
    for (int i = 0; i < 5; ++i) w.enter();
    BOOST_TEST(w.steps() == (steps{"connect 1", "connect 2"}));
    w.connected(1);
    BOOST_TEST(w.steps() == (steps{"1 to 1", "connect 3"}));
}

BOOST_AUTO_TEST_CASE(line_is_served_in_order_and_those_who_leave_are_passed_over)
{
    world w(limits(1));
    w.take(1);
    auto const second = w.enter();
    auto const third = w.enter();
    w.enter();
    BOOST_TEST(w.core.leave(third, leaving::cancelled));
    BOOST_TEST(!w.core.leave(third, leaving::cancelled));
    w.back(1);
    BOOST_TEST(w.steps() == steps{"1 to 2"});
    BOOST_TEST(!w.core.leave(second, leaving::timed_out));  // it was served
    w.back(1, returned::unused);
    BOOST_TEST(w.steps() == steps{"1 to 4"});
    BOOST_TEST(w.core.counters().waits_cancelled == 1u);
    BOOST_TEST(w.core.counters().waits_timed_out == 0u);
}

BOOST_AUTO_TEST_CASE(line_is_limited_beyond_what_there_is_room_for)
{
    world w(limits(2, 1));
    w.take(1);
    w.enter();  // there is room for it
    w.enter();
    BOOST_TEST(!w.core.enter().has_value());
    BOOST_TEST(w.core.counters().overloaded == 1u);
    BOOST_TEST(w.core.counters().waiting_max == 2u);
    world none(limits(1, 0));
    none.take(1);
    BOOST_TEST(!none.core.enter().has_value());
    none.back(1);
    BOOST_TEST(none.core.enter().has_value());
}

BOOST_AUTO_TEST_CASE(after_a_failure_there_is_one_attempt_at_a_time_with_growing_pauses)
{
    world w(limits(4));
    for (int i = 0; i < 4; ++i) w.enter();
    BOOST_TEST(w.steps().size() == 4u);
    for (int i = 1; i <= 4; ++i) BOOST_TEST(w.failed(i).empty());
    // Four attempts that fail together count as one failure.
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.core.wake_at() == w.now + 200ms));
    w.now += 200ms;
    BOOST_TEST(w.steps() == steps{"connect 5"});
    BOOST_TEST((w.core.wake_at() == pool_core::time_point::max()));
    w.failed(5);
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.core.wake_at() == w.now + 400ms));
    w.now += 400ms;
    BOOST_TEST(w.steps() == steps{"connect 6"});
    w.connected(6);
    BOOST_TEST(w.steps() == (steps{"6 to 1", "connect 7", "connect 8", "connect 9"}));
    BOOST_TEST(w.core.counters().connect_failures == 5u);
}

BOOST_AUTO_TEST_CASE(nobody_waits_nothing_is_connected_after_a_failure)
{
    world w;
    auto const only = w.enter();
    w.steps();
    w.failed(1);
    w.core.leave(only, leaving::timed_out);
    w.now += 1min;
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.core.wake_at() == pool_core::time_point::max()));
}

BOOST_AUTO_TEST_CASE(pauses_begin_again_when_a_connection_was_of_use)
{
    world w(limits(1));
    w.enter();
    w.steps();
    w.failed(1);
    w.now += 200ms;
    BOOST_TEST(w.steps() == steps{"connect 2"});
    w.connected(2);
    w.steps();
    // The connection broke before its first use.
    BOOST_TEST((w.back(2, returned::broken) == fate::close));
    w.enter();
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.core.wake_at() == w.now + 400ms));
    w.now += 400ms;
    BOOST_TEST(w.steps() == steps{"connect 3"});
    w.connected(3);
    w.steps();
    w.back(3);
    w.enter();
    BOOST_TEST(w.steps() == steps{"3 to 3"});
    w.back(3, returned::broken);
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 4"});  // at once
    w.failed(4);
    BOOST_TEST((w.core.wake_at() == w.now + 200ms));
    BOOST_TEST(w.core.counters().lost == 2u);
}

BOOST_AUTO_TEST_CASE(permanent_failure_ends_the_line_unless_there_is_a_connection)
{
    world w(limits(2));
    auto const first = w.enter();
    auto const second = w.enter();
    w.steps();
    auto const out = w.failed(1, true);
    BOOST_TEST((out == std::vector<ticket>{first, second}));
    BOOST_TEST(w.core.hopeless(w.now));
    BOOST_TEST(w.failed(2, true).empty());
    w.now += 200ms;
    BOOST_TEST(!w.core.hopeless(w.now));
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 3"});
    w.connected(3);
    BOOST_TEST(w.steps() == steps{"3 to 3"});
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 4"});
    BOOST_TEST(w.failed(4, true).empty());
    BOOST_TEST(!w.core.hopeless(w.now));
    w.back(3);
    BOOST_TEST(w.steps() == steps{"3 to 4"});
}

BOOST_AUTO_TEST_CASE(connection_that_comes_back_unclean_is_cleaned_first)
{
    world w(limits(1));
    w.take(1);
    w.enter();
    BOOST_TEST((w.back(1, returned::unclean) == fate::tend));
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.tended(1, true) == fate::kept));
    BOOST_TEST(w.steps() == steps{"1 to 2"});
    BOOST_TEST((w.back(1, returned::unclean) == fate::tend));
    BOOST_TEST((w.tended(1, false) == fate::close));
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 2"});
    BOOST_TEST(w.core.counters().cleaned == 2u);
}

BOOST_AUTO_TEST_CASE(discarded_connection_is_replaced_without_a_pause)
{
    world w(limits(1));
    w.take(1);
    w.enter();
    BOOST_TEST((w.back(1, returned::discarded) == fate::close));
    BOOST_TEST(w.steps() == steps{"connect 2"});
    BOOST_TEST(w.core.counters().discarded == 1u);
}

BOOST_AUTO_TEST_CASE(long_idle_connection_is_checked_once_for_each_who_waits)
{
    auto wary = limits(3);
    wary.idle_check_after = 1s;
    world w(wary);
    w.take(3);
    for (int i = 1; i <= 3; ++i) w.back(i);
    w.now += 999ms;
    w.enter();
    BOOST_TEST(w.steps() == steps{"3 to 4"});
    w.back(3);
    w.now += 1s;
    w.enter();
    BOOST_TEST(w.steps() == steps{"check 3"});
    w.enter();
    BOOST_TEST(w.steps() == steps{"check 2"});
    w.tended(2, true);
    BOOST_TEST(w.steps() == steps{"2 to 5"});
    // The third one is as old as the one that failed.
    w.tended(3, false);
    BOOST_TEST(w.steps() == (steps{"close 1", "connect 4"}));
}

BOOST_AUTO_TEST_CASE(spare_connections_are_closed_and_some_are_kept)
{
    auto aging = limits(3);
    aging.max_idle = 10s;
    aging.min_idle = 1;
    world w(aging);
    w.take(2);
    w.steps();
    w.connected(3);  // opened because of min_idle
    w.back(1);
    w.now += 1s;
    w.back(2);
    BOOST_TEST((w.core.wake_at() == w.now + 9s));
    w.now += 9s;
    BOOST_TEST(w.steps() == (steps{"close 3", "close 1"}));
    w.now += 1h;
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST(w.core.counters().idle == 1u);
    BOOST_TEST(w.core.counters().expired == 2u);
    w.enter();
    BOOST_TEST(w.steps() == (steps{"2 to 3", "connect 4"}));
}

BOOST_AUTO_TEST_CASE(old_connection_is_closed_when_it_is_not_in_use)
{
    auto aging = limits(1);
    aging.max_lifetime = 100s;
    world w(aging);  // draws the shortest: 90 s
    w.take(1);
    w.back(1);
    BOOST_TEST((w.core.wake_at() > w.now + 89s));
    BOOST_TEST((w.core.wake_at() < w.now + 91s));
    w.enter();
    BOOST_TEST(w.steps() == steps{"1 to 2"});
    w.now += 100s;
    BOOST_TEST(w.steps() == steps{});
    w.enter();
    BOOST_TEST((w.back(1, returned::unclean) == fate::close));  // too old to clean
    BOOST_TEST(w.steps() == steps{"connect 2"});
    w.connected(2);
    BOOST_TEST(w.steps() == steps{"2 to 3"});
    w.now += 100s;
    w.back(2);
    BOOST_TEST(w.steps() == steps{"close 2"});
}

BOOST_AUTO_TEST_CASE(stopped_core_wants_nothing_and_takes_nothing_back)
{
    world w(limits(2));
    w.take(1);
    auto const waiting = w.enter();
    w.steps();
    BOOST_TEST((w.core.stop() == std::vector<ticket>{waiting}));
    BOOST_TEST(w.core.stopped());
    BOOST_TEST(w.steps() == steps{});
    BOOST_TEST((w.back(1) == fate::close));
    w.connected(2);
    BOOST_TEST(w.failed(2, true).empty());
    BOOST_TEST((w.tended(1, true) == fate::close));
    BOOST_TEST((w.core.wake_at() == pool_core::time_point::max()));
    BOOST_TEST(w.core.counters().in_use == 0u);
}

BOOST_AUTO_TEST_CASE(what_could_not_be_done_frees_its_place)
{
    world w(limits(1));
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 1"});
    w.core.give_up(member_id(1), w.now);
    w.core.give_up(member_id(1), w.now);
    w.now += 200ms;
    BOOST_TEST(w.steps() == steps{"connect 2"});
}

BOOST_AUTO_TEST_CASE(limits_that_make_no_sense_are_raised)
{
    pool_limits none;
    none.max_connections = 0;
    none.min_idle = 5;
    none.max_connecting = 0;
    none.max_connecting_after_failure = 0;
    world w(none);
    w.enter();
    BOOST_TEST(w.steps() == steps{"connect 1"});
    w.connected(1);
    BOOST_TEST(w.steps() == steps{"1 to 1"});
}

BOOST_AUTO_TEST_SUITE_END()
