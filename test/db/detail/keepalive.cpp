#include <pgtally/db/detail/deadlines.hpp>
#include <pgtally/db/detail/keepalive.hpp>

#include <boost/test/unit_test.hpp>

#include <list>

using namespace pgtally::db::detail;
using namespace std::chrono_literals;
using todo = keepalive::todo;
using enum keepalive::in_flight;

namespace {

constexpr keepalive::time_point start{1000h};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_keepalive)

BOOST_AUTO_TEST_CASE(silent_peer_is_asked_and_then_given_up)
{
    keepalive it(15s, 10s);
    it.connected(start);
    BOOST_TEST((it.look(start + 14s, nothing) == todo::nothing));
    BOOST_TEST((it.next(start + 14s) == start + 15s));
    BOOST_TEST((it.look(start + 15s, nothing) == todo::ask));
    it.asked(start + 15s);
    BOOST_TEST((it.next(start + 15s) == start + 25s));
    BOOST_TEST((it.look(start + 24s, awaited) == todo::nothing));
    BOOST_TEST((it.look(start + 25s, awaited) == todo::give_up));
    it.connected(start + 30s);
    BOOST_TEST((it.look(start + 30s, nothing) == todo::nothing));
}

BOOST_AUTO_TEST_CASE(answer_puts_it_off)
{
    keepalive it(15s, 10s);
    it.connected(start);
    it.asked(start + 15s);
    it.answered();
    it.heard(start + 16s);
    BOOST_TEST((it.look(start + 30s, nothing) == todo::nothing));
    BOOST_TEST((it.next(start + 30s) == start + 31s));
    BOOST_TEST((it.look(start + 31s, nothing) == todo::ask));
}

BOOST_AUTO_TEST_CASE(nothing_is_concluded_while_answers_are_due)
{
    keepalive it(15s, 10s);
    it.connected(start);
    BOOST_TEST((it.look(start + 1h, awaited) == todo::nothing));
    BOOST_TEST((it.next(start + 1h) == start + 1h + 15s));
}

BOOST_AUTO_TEST_CASE(silence_counts_when_all_have_given_up)
{
    keepalive it(15s, 10s);
    it.connected(start);
    BOOST_TEST((it.next(start) == start + 15s));
    BOOST_TEST((it.look(start + 15s, given_up) == todo::nothing));
    BOOST_TEST((it.next(start + 15s) == start + 25s));
    BOOST_TEST((it.look(start + 25s, awaited) == todo::nothing));
    BOOST_TEST((it.look(start + 25s, given_up) == todo::give_up));
    BOOST_TEST(!it.is_asking());
    BOOST_TEST((it.next(start + 25s) == start + 40s));
    it.heard(start + 24s);
    BOOST_TEST((it.look(start + 48s, given_up) == todo::nothing));
    BOOST_TEST((it.look(start + 49s, given_up) == todo::give_up));
    // A timeout longer than the interval: checked more often than necessary.
    keepalive patient(10s, 100s);
    patient.connected(start);
    BOOST_TEST((patient.next(start + 10s) == start + 20s));
    BOOST_TEST((patient.next(start + 105s) == start + 110s));
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
        each->deadline = start + std::chrono::seconds{seconds};
        them.add(*each++);
    }
    BOOST_TEST((them.next() == start + 1s));
    BOOST_TEST(!them.take_due(start));
    BOOST_TEST((them.take_due(start + 2s)->deadline == start + 1s));
    BOOST_TEST((them.take_due(start + 2s)->deadline == start + 2s));
    BOOST_TEST(!them.take_due(start + 2s));
    BOOST_TEST((them.next() == start + 3s));
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
    BOOST_TEST(!them.take_due(start));
}

BOOST_AUTO_TEST_SUITE_END()
