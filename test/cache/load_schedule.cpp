#include <pgtally/cache/load_schedule.hpp>

#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace pgtally;
using namespace std::chrono_literals;
using cache::state;
using consequence = load_schedule::consequence;
using order = load_schedule::order;
using time_point = load_schedule::time_point;

namespace {

// A schedule with tallies `a` and `b` on an open transport, whose definitions were read. The pauses have no jitter:
// each is as long as it can be.
struct fixture {
    load_schedule s{{100ms, 10s}, [] { return 1.0; }};
    time_point now{1h};

    fixture()
    {
        s.transport_opened(0);
        s.definitions_read(s.definitions_asked());
        s.add("a", 0);
        s.add("b", 0);
    }

    // Hands out the next load; its name with its cause, or nothing.
    std::string next()
    {
        last = s.next(now);
        return last ? last->tally + ' ' + std::string{to_string(last->cause)} : std::string{};
    }

    void done(order const& o, bool live = true)
    {
        cache::load_report report;
        report.live = live;
        s.done(o, report, live ? state::live : state::stale, now);
    }

    // Carries out every load that is due.
    void load_all()
    {
        while (!next().empty()) done(*last);
    }

    std::optional<order> last;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_load_schedule, fixture)

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
    s.definitions_read(s.definitions_asked() - 1);  // the reading that began before
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
                    {load_cause::definition, true}, {load_cause::reset, false},    {load_cause::retry, false}};
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

BOOST_AUTO_TEST_CASE(a_definition_that_was_just_read_needs_no_other_reading)
{
    load_all();
    s.want_definitions();
    s.redefined("a", 0);
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
        BOOST_TEST((s.failed(*last, {}, state::loading, now) == consequence::log));
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
    BOOST_TEST((s.wake_at() == now + 200ms));  // a success begins again with the shortest
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
    for (auto const cause : {load_cause::reload, load_cause::reset, load_cause::reconnect, load_cause::definition}) {
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

BOOST_AUTO_TEST_CASE(reloads_of_a_tally_come_at_once_then_one_an_interval)
{
    load_all();
    for (int i = 0; i < load_schedule::max_quick_reloads; ++i) {
        s.want("a", load_cause::reload);
        BOOST_TEST(next() == "a reload");
        done(*last);
    }
    s.want("a", load_cause::reload);
    BOOST_TEST(next() == "");
    BOOST_TEST((s.wake_at() == now + load_schedule::reload_interval));
    s.want("b", load_cause::reload);
    BOOST_TEST(next() == "b reload");  // one tally's do not delay another's
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");  // nor what is asked for by hand
    done(*last);
    s.want("a", load_cause::reload);
    now += load_schedule::reload_interval;
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

BOOST_AUTO_TEST_CASE(what_a_failure_means_for_the_tally)
{
    struct {
        char const* name;
        load_schedule::failure why;
        state is;
        bool held;
        consequence expected;
    } const cases[]{
        {"live, transient", {false, false}, state::live, false, consequence::log},
        {"loading, transient", {false, false}, state::loading, false, consequence::log},
        {"stale, transient", {false, false}, state::stale, false, consequence::stale},
        {"failed, transient", {false, false}, state::failed, false, consequence::stale},
        {"live, permanent", {true, false}, state::live, false, consequence::failed},
        {"loading, permanent", {true, false}, state::loading, false, consequence::failed},
        {"failed, permanent", {true, false}, state::failed, false, consequence::failed},
        {"failed, explained", {true, true}, state::failed, false, consequence::none},
        {"stale, explained", {true, true}, state::stale, false, consequence::failed},
        {"failed, held", {true, false}, state::failed, true, consequence::none},
    };
    for (auto const& tc : cases) {
        BOOST_TEST_CONTEXT(tc.name)
        {
            s.want("a", load_cause::reset);
            BOOST_TEST(next() == "a reset");
            if (tc.held) s.hold("a");
            BOOST_TEST((s.failed(*last, tc.why, tc.is, now) == tc.expected));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_load_that_was_given_up_is_tried_again_at_once)
{
    BOOST_TEST(next() == "a start");
    s.give_up("a");
    BOOST_TEST(s.under_way(*last));
    BOOST_TEST(!s.stands(*last));
    s.given_up(*last, state::stale, now);
    BOOST_TEST(!s.under_way(*last));
    BOOST_TEST(next() == "a retry");
    BOOST_TEST(s.stands(*last));

    s.give_up("a");
    s.want("a", load_cause::reload);
    s.given_up(*last, state::stale, now);
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_CASE(a_load_that_was_given_up_does_not_count_as_done)
{
    BOOST_TEST(next() == "a start");
    s.give_up("a");
    done(*last);
    BOOST_TEST(next() == "a retry");
}

BOOST_AUTO_TEST_CASE(an_order_that_is_over_changes_nothing)
{
    s.remove("b");
    BOOST_TEST(next() == "a start");
    auto const first = *last;
    done(first);
    BOOST_TEST(!s.under_way(first));
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    auto const second = *last;
    done(first, false);
    s.given_up(first, state::stale, now);
    BOOST_TEST((s.failed(first, {true, false}, state::stale, now) == consequence::none));
    BOOST_TEST(s.stands(second));
    BOOST_TEST(!s.stands(first));
    BOOST_TEST(!s.stands(order{}));
    done(second);
    BOOST_TEST(next() == "");
}

BOOST_AUTO_TEST_CASE(an_order_of_a_tally_that_was_removed_is_of_no_namesake)
{
    s.remove("b");
    BOOST_TEST(next() == "a start");
    auto const old = *last;
    s.remove("a");
    BOOST_TEST(!s.under_way(old));
    s.add("a", 0);
    BOOST_TEST(!s.under_way(old));
    BOOST_TEST(next() == "a start");
    BOOST_TEST(s.stands(*last));
    BOOST_TEST(!s.stands(old));
    done(old);
    BOOST_TEST(s.stands(*last));
}

BOOST_AUTO_TEST_CASE(a_held_tally_is_not_loaded_until_it_is_released)
{
    load_all();
    s.hold("a");
    BOOST_TEST(s.held("a"));
    s.want("a", load_cause::reset);
    s.want_audit("a");
    BOOST_TEST(next() == "");
    s.release("a");
    BOOST_TEST(!s.held("a"));
    BOOST_TEST(next() == "a reset");  // it was wanted before
    done(*last);
    BOOST_TEST(next() == "a audit");
    done(*last);
    s.release("a");
    BOOST_TEST(next() == "");  // it was not held
    s.hold("a");
    s.release("a");
    BOOST_TEST(next() == "a reload");
}

BOOST_AUTO_TEST_CASE(only_what_may_bring_the_source_back_requests_a_look)
{
    struct {
        load_cause cause;
        bool held, looks;
    } const cases[]{{load_cause::reload, true, true},     {load_cause::definition, true, true},
                    {load_cause::reset, true, false},     {load_cause::retry, true, false},
                    {load_cause::reconnect, true, false}, {load_cause::reload, false, false}};
    for (auto const& tc : cases) {
        BOOST_TEST_CONTEXT(to_string(tc.cause))
        {
            if (tc.held) s.hold("a");
            else s.release("a");
            s.want("a", tc.cause);
            BOOST_TEST(s.take_look_request() == tc.looks);
            BOOST_TEST(!s.take_look_request());
        }
    }
}

BOOST_AUTO_TEST_CASE(audits_come_after_loads_that_are_due_and_one_at_a_time)
{
    load_all();
    s.want_audit("a");
    s.want_audit("b");
    s.want("b", load_cause::reset);
    BOOST_TEST(next() == "b reset");
    done(*last);
    BOOST_TEST(next() == "a audit");
    BOOST_TEST(last->audits());
    auto const audit = *last;
    BOOST_TEST(next() == "");
    s.want("b", load_cause::reset);
    BOOST_TEST(next() == "b reset");  // an audit does not delay other loads
    done(*last);
    done(audit);
    BOOST_TEST(next() == "b audit");
    done(*last);
    BOOST_TEST(next() == "");
}

BOOST_AUTO_TEST_CASE(an_audit_waits_for_its_tallys_load_even_while_that_pauses)
{
    load_all();
    s.want("a", load_cause::reset);
    BOOST_TEST(next() == "a reset");
    s.failed(*last, {}, state::live, now);
    s.want_audit("a");
    BOOST_TEST(next() == "");
    s.want_audit("b");
    BOOST_TEST(next() == "b audit");
    s.drop_audit("a");
    done(*last);
    now += 200ms;
    BOOST_TEST(next() == "a retry");
    done(*last);
    BOOST_TEST(next() == "");
}

BOOST_AUTO_TEST_CASE(an_audit_that_ends_without_success_is_no_reason_to_pause)
{
    for (bool const fails : {true, false}) {
        for (auto const is : {state::live, state::stale}) {
            load_all();
            s.want_audit("a");
            BOOST_TEST(next() == "a audit");
            if (fails) BOOST_TEST((s.failed(*last, {true, false}, is, now) == consequence::none));
            else s.given_up(*last, is, now);
            BOOST_TEST(next() == (is == state::live ? "" : "a retry"));
        }
    }
}

BOOST_AUTO_TEST_CASE(names_that_are_not_known_change_nothing)
{
    load_all();
    s.want("c", load_cause::reset);
    s.want_again("c");
    s.want_audit("c");
    s.redefined("c", 0);
    s.hold("c");
    s.release("c");
    s.give_up("c");
    s.remove("c");
    s.transport_lost(7);
    BOOST_TEST(!s.wanted("c"));
    BOOST_TEST(!s.held("c"));
    BOOST_TEST(next() == "");
}

BOOST_AUTO_TEST_SUITE_END()
