#include "schedules.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
using cache::state;
using consequence = load_schedule::consequence;
using order = load_schedule::order;

BOOST_FIXTURE_TEST_SUITE(test_load_schedule_orders, schedule_fixture)

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
        {"loading, transient", {false, false}, state::loading, false, consequence::stale},
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
            if (last) done(*last);
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
