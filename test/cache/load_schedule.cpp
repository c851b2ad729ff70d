#include "schedules.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
using cache::state;
using consequence = load_schedule::consequence;
using time_point = load_schedule::time_point;

BOOST_FIXTURE_TEST_SUITE(test_load_schedule, schedule_fixture)

BOOST_AUTO_TEST_CASE(new_tallies_are_loaded_once_each_by_name)
{
    BOOST_TEST(next() == "a start");
    auto const a = *last;
    BOOST_TEST(next() == "b start");
    auto const b = *last;
    BOOST_TEST(next() == "");
    BOOST_TEST(a.number != b.number);
    done(a);
    done(b);
    BOOST_TEST(next() == "");
    BOOST_TEST((s.wake_at() == time_point::max()));
}

BOOST_AUTO_TEST_CASE(nothing_is_ordered_while_the_transport_is_not_open)
{
    load_schedule closed{{}, [] { return 0.0; }};
    closed.definitions_read(1);
    closed.add("a", 0);
    BOOST_TEST(!closed.next(now));
    BOOST_TEST(!closed.transport_opened(0));
    BOOST_TEST(closed.next(now).has_value());

    s.transport_lost(0);
    BOOST_TEST(next() == "");
    BOOST_TEST((s.wake_at() == time_point::max()));
    BOOST_TEST(s.transport_opened(0));
    BOOST_TEST(next() == "a start");
}

BOOST_AUTO_TEST_CASE(a_tally_waits_for_its_own_transport_only)
{
    s.add("c", 2);
    load_all();
    s.want("c", load_cause::start);
    BOOST_TEST(next() == "");
    s.transport_opened(2);
    BOOST_TEST(s.is_open(2));
    BOOST_TEST(!s.is_open(1));
    s.transport_lost(0);
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "c start");
    BOOST_TEST(next() == "");
}

BOOST_AUTO_TEST_CASE(connections_are_of_the_generation_of_the_last_reopening)
{
    BOOST_TEST(next() == "a start");
    auto const before = last->generation;
    s.transport_opened(1);
    BOOST_TEST(s.generation() == before);  // a first opening replaces nothing
    s.transport_opened(0);
    BOOST_TEST(s.generation() == before + 1);
    BOOST_TEST(next() == "b start");
    BOOST_TEST(last->generation == before + 1);
    s.transport_opened(1);
    BOOST_TEST(s.generation() == before + 2);
}

BOOST_AUTO_TEST_CASE(a_tally_added_while_definitions_are_asked_for_waits_for_the_next_reading)
{
    load_all();
    s.want_definitions();
    s.add("c", 0);
    BOOST_TEST(!s.definitions_current());
    BOOST_TEST(next() == "");
    s.definitions_read(s.definitions_asked() - 1);  // the reading that began before the request
    BOOST_TEST(next() == "");
    s.definitions_read(s.definitions_asked());
    BOOST_TEST(s.definitions_current());
    BOOST_TEST(next() == "c start");
}

BOOST_AUTO_TEST_CASE(causes_that_put_the_definition_in_doubt_wait_for_a_reading)
{
    struct {
        load_cause cause;
        bool waits;
    } const cases[]{{load_cause::start, true},      {load_cause::reconnect, true}, {load_cause::reload, false},
                    {load_cause::definition, true}, {load_cause::reset, false},    {load_cause::retry, false},
                    {load_cause::broken, false},    {load_cause::look, false}};
    for (auto const& tc : cases) {
        BOOST_TEST_CONTEXT(to_string(tc.cause))
        {
            load_all();
            s.want_definitions();
            s.want("a", tc.cause);
            auto const expected = "a " + std::string{to_string(tc.cause)};
            BOOST_TEST(next() == (tc.waits ? "" : expected));
            s.definitions_read(s.definitions_asked());
            if (tc.waits) BOOST_TEST(next() == expected);
            done(*last);
        }
    }
}

// Nothing else may ever say that the definition changed: mastodon#5039.
BOOST_AUTO_TEST_CASE(a_load_that_meets_another_definition_is_repeated_after_it_was_read)
{
    load_all();
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    load_schedule::failure why;
    why.other_definition = true;
    auto const asked = s.definitions_asked();
    s.failed(*last, why, state::live, now);
    BOOST_TEST(!s.definitions_current());
    now += 10s;
    BOOST_TEST(next() == "");
    s.definitions_read(asked);
    BOOST_TEST(next() == "");
    s.definitions_read(s.definitions_asked());
    BOOST_TEST(next() == "a retry");
}

BOOST_AUTO_TEST_CASE(a_definition_that_was_just_read_needs_no_other_reading)
{
    load_all();
    s.want_definitions();
    s.redefined("a", 0);
    BOOST_TEST(next() == "a definition");
}

BOOST_AUTO_TEST_CASE(a_definition_may_move_its_tally_to_another_transport)
{
    load_all();
    s.redefined("a", 1);
    BOOST_TEST(next() == "");
    s.transport_opened(1);
    s.transport_lost(0);
    BOOST_TEST(next() == "a definition");
}

BOOST_AUTO_TEST_CASE(want_again_keeps_the_cause_and_passes_over_a_running_load)
{
    load_all();
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    s.want_again("a");
    done(*last);
    BOOST_TEST(next() == "");
    s.want_again("a");
    BOOST_TEST(next() == "a reset");
}

BOOST_AUTO_TEST_CASE(a_request_during_a_load_is_another_load)
{
    BOOST_TEST(next() == "a start");
    auto const first = *last;
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "b start");
    BOOST_TEST(next() == "");
    done(first);
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_CASE(a_load_that_is_not_live_is_followed_by_a_reload)
{
    BOOST_TEST(next() == "a start");
    done(*last, false);
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_CASE(a_load_whose_tally_is_lost_at_its_end_is_tried_again)
{
    BOOST_TEST(next() == "a start");
    s.done(*last, {}, state::stale, now);
    BOOST_TEST(next() == "a retry");
}

BOOST_AUTO_TEST_CASE(a_failed_load_is_tried_again_after_growing_pauses)
{
    s.remove("b");
    BOOST_TEST(next() == "a start");
    for (auto const pause : {200ms, 400ms, 800ms, 1'600ms, 3'200ms, 6'400ms, 10'000ms, 10'000ms}) {
        BOOST_TEST((s.failed(*last, {}, state::loading, now) == consequence::stale));
        BOOST_TEST((s.wake_at() == now + pause));
        now += pause - 1ms;
        BOOST_TEST(next() == "");
        now += 1ms;
        BOOST_TEST(next() == "a retry");
    }
    done(*last);
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    s.failed(*last, {}, state::live, now);
    BOOST_TEST((s.wake_at() == now + 200ms));  // after a success, the shortest pause is the next
}

BOOST_AUTO_TEST_CASE(each_pause_of_each_tally_is_drawn_from_one_source)
{
    double number = 0.0;
    load_schedule jittered{{100ms, 10s}, [&] { return number = 1.0 - number; }};
    jittered.transport_opened(0);
    jittered.definitions_read(1);
    jittered.add("a", 0);
    jittered.add("b", 0);
    auto const a = *jittered.next(now), b = *jittered.next(now);
    jittered.failed(a, {}, state::loading, now);
    jittered.failed(b, {}, state::loading, now);
    BOOST_TEST((jittered.wake_at() == now + 100ms));
    BOOST_TEST(jittered.next(now + 100ms)->tally == "b");
    BOOST_TEST((jittered.wake_at() == now + 200ms));
}

BOOST_AUTO_TEST_CASE(any_cause_but_a_retry_ends_the_pause)
{
    for (auto const cause : {load_cause::reload, load_cause::reset, load_cause::reconnect, load_cause::definition,
                             load_cause::broken, load_cause::look}) {
        load_all();
        s.want("a", load_cause::reset);
        BOOST_TEST(next() == "a reset");
        s.failed(*last, {}, state::live, now);
        s.want("a", load_cause::retry);
        BOOST_TEST(next() == "");
        s.want("a", cause);
        BOOST_TEST(next() == "a " + std::string{to_string(cause)});
        done(*last);
    }
}

BOOST_AUTO_TEST_CASE(a_failure_delays_the_load_that_was_asked_for_meanwhile)
{
    s.remove("b");
    BOOST_TEST(next() == "a start");
    s.want("a", load_cause::reset);
    s.failed(*last, {}, state::loading, now);
    BOOST_TEST(next() == "");
    now += 200ms;
    BOOST_TEST(next() == "a reset");
}

// Whatever events cause, and in whatever order: any role can send them.
BOOST_AUTO_TEST_CASE(loads_that_events_cause_come_at_once_then_one_an_interval)
{
    load_all();
    load_cause const causes[]{load_cause::reload, load_cause::broken, load_cause::definition};
    for (int i = 0; i < load_schedule::max_quick_requests; ++i) {
        auto const cause = causes[i % 3];
        s.want("a", cause);
        BOOST_TEST(next() == "a " + std::string{to_string(cause)});
        done(*last);
    }
    for (auto const cause : causes) {
        s.want("a", cause);
        BOOST_TEST(next() == "");
        BOOST_TEST((s.wake_at() == now + load_schedule::request_interval));
    }
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "");
    BOOST_TEST((s.wake_at() == now + load_schedule::request_interval));
    s.want("b", load_cause::reload);
    BOOST_TEST(next() == "b reload");  // reloads of one tally do not delay those of another
    for (auto const cause : {load_cause::reset, load_cause::look}) {
        s.want("a", cause);
        BOOST_TEST(next() == "a " + std::string{to_string(cause)});  // nor a load that no event causes
        done(*last);
    }
    s.want("a", load_cause::reload);
    now += load_schedule::request_interval;
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_CASE(a_reload_that_took_long_is_followed_by_as_long_a_pause)
{
    load_all();
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "a reload");
    auto const slow = *last;
    now += 1min;
    done(slow);
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "");
    BOOST_TEST((s.wake_at() == now + 1min - 4s));
}

BOOST_AUTO_TEST_CASE(a_load_that_takes_long_and_fails_is_tried_again_after_growing_pauses_up_to_a_limit)
{
    load_all();
    s.want("a", load_cause::reset);
    for (int failures = 1; failures <= 40; ++failures) {
        BOOST_TEST_CONTEXT("failure " << failures)
        {
            BOOST_TEST(!next().empty());
            now += 15s;
            s.failed(*last, {}, state::stale, now);
            auto const pause = s.wake_at() - now;
            BOOST_TEST((pause == std::min<std::chrono::nanoseconds>(failures * 15s, load_schedule::max_failure_pause)));
            now += pause - 1ns;
            BOOST_TEST(next() == "");
            now += 1ns;
        }
    }
    BOOST_TEST(next() == "a retry");
    done(*last);
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    now += 15s;
    s.failed(*last, {}, state::stale, now);
    BOOST_TEST((s.wake_at() - now == 15s));
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_SUITE_END()
