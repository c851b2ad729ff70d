#include <pgtally/db/detail/deadlines.hpp>
#include <pgtally/db/detail/keepalive.hpp>

#include <boost/test/unit_test.hpp>

#include <list>

using namespace pgtally::db::detail;
using namespace std::chrono_literals;
using todo = keepalive::todo;
using enum keepalive::in_flight;

namespace {

constexpr keepalive::time_point began{1000h};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_keepalive)

BOOST_AUTO_TEST_CASE(silent_peer_is_asked_and_then_given_up)
{
    keepalive it(15s, 10s);
    it.connected(began);
    BOOST_TEST((it.look(began + 14s, nothing) == todo::nothing));
    BOOST_TEST((it.next(began + 14s) == began + 15s));
    BOOST_TEST((it.look(began + 15s, nothing) == todo::ask));
    it.asked(began + 15s);
    BOOST_TEST((it.next(began + 15s) == began + 25s));
    BOOST_TEST((it.look(began + 24s, awaited) == todo::nothing));
    BOOST_TEST((it.look(began + 25s, awaited) == todo::give_up));
    it.connected(began + 30s);
    BOOST_TEST((it.look(began + 30s, nothing) == todo::nothing));
}

BOOST_AUTO_TEST_CASE(answer_puts_it_off)
{
    keepalive it(15s, 10s);
    it.connected(began);
    it.asked(began + 15s);
    it.answered();
    it.heard(began + 16s);
    BOOST_TEST((it.look(began + 30s, nothing) == todo::nothing));
    BOOST_TEST((it.next(began + 30s) == began + 31s));
    BOOST_TEST((it.look(began + 31s, nothing) == todo::ask));
}

BOOST_AUTO_TEST_CASE(nothing_is_concluded_while_answers_are_due)
{
    keepalive it(15s, 10s);
    it.connected(began);
    BOOST_TEST((it.look(began + 1h, awaited) == todo::nothing));
    BOOST_TEST((it.next(began + 1h) == began + 1h + 15s));
}

BOOST_AUTO_TEST_CASE(silence_counts_when_all_have_given_up)
{
    keepalive it(15s, 10s);
    it.connected(began);
    BOOST_TEST((it.next(began) == began + 15s));
    BOOST_TEST((it.look(began + 15s, given_up) == todo::nothing));
    BOOST_TEST((it.next(began + 15s) == began + 25s));
    BOOST_TEST((it.look(began + 25s, awaited) == todo::nothing));
    BOOST_TEST((it.look(began + 25s, given_up) == todo::give_up));
    BOOST_TEST(!it.is_asking());
    BOOST_TEST((it.next(began + 25s) == began + 40s));
    it.heard(began + 24s);
    BOOST_TEST((it.look(began + 48s, given_up) == todo::nothing));
    BOOST_TEST((it.look(began + 49s, given_up) == todo::give_up));
    // A timeout longer than the interval: checked more often than necessary.
    keepalive patient(10s, 100s);
    patient.connected(began);
    BOOST_TEST((patient.next(began + 10s) == began + 20s));
    BOOST_TEST((patient.next(began + 105s) == began + 110s));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(test_deadlines)

BOOST_AUTO_TEST_CASE(those_due_come_in_order_and_once)
{
    std::list<with_deadline> all(4);
    deadlines them;
    int const order[] = {3, 1, 4, 2};
    auto each = all.begin();
    for (int const seconds : order) {
        each->deadline = began + std::chrono::seconds{seconds};
        them.add(*each++);
    }
    BOOST_TEST((them.next() == began + 1s));
    BOOST_TEST(!them.take_due(began));
    BOOST_TEST((them.take_due(began + 2s)->deadline == began + 1s));
    BOOST_TEST((them.take_due(began + 2s)->deadline == began + 2s));
    BOOST_TEST(!them.take_due(began + 2s));
    BOOST_TEST((them.next() == began + 3s));
}

BOOST_AUTO_TEST_CASE(who_leaves_is_not_due)
{
    deadlines them;
    with_deadline stays;
    with_deadline removed;
    them.add(removed);
    {
        with_deadline destroyed;
        them.add(destroyed);
        BOOST_TEST((destroyed.deadline == deadlines::time_point::max()));
    }
    deadlines::remove(removed);
    deadlines::remove(removed);
    BOOST_TEST(them.empty());
    them.add(stays);
    BOOST_TEST(!them.empty());
    BOOST_TEST(!them.take_due(began));
}

BOOST_AUTO_TEST_SUITE_END()
