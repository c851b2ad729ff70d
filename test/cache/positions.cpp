// Revisions that are positions in a shared stream: what two servers of one database show of one tally.

#include "tallies.hpp"

#include <pgtally/cache/event_dispatcher.hpp>
#include <pgtally/cache/stream.hpp>
#include <pgtally/cache/subscription.hpp>

#include <optional>

namespace pgtally::cache {

using namespace pgtally::test;

namespace {

struct woken final : subscriber {
    int times = 0;
    void wake(subscription&) override { ++times; }
};

struct server {
    stream by{"system/1/16384"};
    std::unique_ptr<tally> t;

    explicit server(limits const& bounds = {}) : t{std::make_unique<tally>(tweets(), bounds)} {}

    void at(std::uint64_t position, std::optional<event> const& e = std::nullopt)
    {
        by.committing = position;
        if (e) t->apply(*e);
        by.committing = 0;
        by.reached = position;
        t->flush();
    }

    // A load whose barrier has this position; the truth has one key.
    load_report load(std::uint64_t barrier, char const* fence, std::int64_t value, std::string const& key = "33")
    {
        BOOST_TEST_REQUIRE(!t->begin_load(&by));
        BOOST_TEST_REQUIRE(!t->set_fence(snapshot(fence)));
        auto const counters = row(value, 0);
        BOOST_TEST_REQUIRE(!t->add_truth_row(key, counters));
        t->await_barrier("b");
        by.committing = barrier;
        auto const report = t->barrier_back("b");
        BOOST_TEST_REQUIRE(report.has_value());
        by.committing = 0;
        by.reached = barrier;
        return *report;
    }

    update subscribe(woken& who, std::optional<since_point> since, subscription::clock::time_point now = {})
    {
        one.emplace(*t, who, subscription::options{true, since, {}});
        return next(now);
    }
    update next(subscription::clock::time_point now = {})
    {
        update out;
        one->next(out, now);
        return out;
    }
    std::optional<subscription> one;
};

using kind = update::kind;
using namespace std::chrono_literals;

}  // namespace

BOOST_AUTO_TEST_SUITE(test_positions)

BOOST_AUTO_TEST_CASE(an_epoch_is_the_same_on_every_server_and_another_for_another_order_or_number)
{
    auto const epoch = shared_epoch("system/1/16384", tweets());
    BOOST_TEST(epoch == shared_epoch("system/1/16384", tweets()));
    BOOST_TEST(epoch.size() == 36U);
    BOOST_TEST(epoch[14] == '8');  // RFC 9562: the version
    BOOST_TEST(epoch != shared_epoch("system/2/16384", tweets()));
    auto other = tweets();
    other.v = 7;
    BOOST_TEST(epoch != shared_epoch("system/1/16384", other));
    other = tweets();
    other.fingerprint = "others";
    BOOST_TEST(epoch != shared_epoch("system/1/16384", other));
}

BOOST_AUTO_TEST_CASE(revisions_are_positions)
{
    server a, b;
    a.load(100, "10:10:", 1);
    b.load(170, "13:13:", 2);
    BOOST_TEST(a.t->epoch() == b.t->epoch());
    BOOST_TEST(a.t->revision() == 100U);
    a.at(150, deltas(12, "33", 1, 0));
    BOOST_TEST(a.t->changed_at(number(33)) == 150U);
    a.at(170);
    BOOST_TEST(a.t->revision() == 170U);  // how far the stream is
    BOOST_TEST(a.t->changed_at(number(33)) == 150U);
    BOOST_TEST(b.t->revision() == 170U);
    for (auto* const each : {&a, &b}) {
        each->at(200, deltas(20, "33", 5, 0));
        BOOST_TEST(each->t->revision() == 200U);
        BOOST_TEST(each->t->changed_at(number(33)) == 200U);
    }
}

BOOST_AUTO_TEST_CASE(events_of_one_transaction_are_one_change)
{
    server a;
    a.load(100, "10:10:", 1);
    auto const changes = a.t->changes();
    a.by.committing = 150;
    a.t->apply(deltas(12, "33", 1, 0));
    a.t->apply(deltas(12, "34", 1, 0));
    BOOST_TEST(a.t->revision() == 150U);
    BOOST_TEST(a.t->changes() == changes + 1);
}

BOOST_AUTO_TEST_CASE(a_revision_stands_still_while_the_tally_is_not_live)
{
    server a;
    a.load(100, "10:10:", 1);
    a.at(150);
    a.t->lost(reason{reason::kind::unreachable});
    a.at(180);
    BOOST_TEST(a.t->revision() == 150U);
    a.load(200, "20:20:", 1);
    BOOST_TEST(a.t->revision() == 200U);
    BOOST_TEST(a.t->last_change() == 100U);
}

BOOST_AUTO_TEST_CASE(differences_have_the_position_of_the_barrier)
{
    server a;
    a.load(100, "10:10:", 1);
    a.t->lost(reason{reason::kind::unreachable});
    BOOST_TEST(a.load(200, "20:20:", 4).differed == 1U);
    BOOST_TEST(a.t->changed_at(number(33)) == 200U);
}

// Differences that are found after the barrier was shown get numbers that no client has seen, before the next commit.
BOOST_AUTO_TEST_CASE(a_comparison_that_goes_on_gets_numbers_between_two_commits)
{
    server a;
    a.load(100, "10:10:", 1);
    BOOST_TEST_REQUIRE(!a.t->begin_load(&a.by));
    BOOST_TEST_REQUIRE(!a.t->set_fence(snapshot("20:20:")));
    for (auto const* const key : {"33", "34", "35"}) {
        auto const counters = row(9, 0);
        BOOST_TEST_REQUIRE(!a.t->add_truth_row(key, counters));
    }
    a.t->await_barrier("b");
    a.by.committing = 200;
    BOOST_TEST(!a.t->barrier_back("b", 1).has_value());
    a.at(200);
    BOOST_TEST(a.t->revision() == 200U);
    BOOST_TEST(!a.t->compare_more(2).has_value());
    BOOST_TEST(a.t->revision() == 201U);
    a.at(300, deltas(30, "33", 1, 0));
    BOOST_TEST(a.t->compare_more(10).has_value());
    BOOST_TEST(a.t->revision() == 301U);
}

BOOST_AUTO_TEST_CASE(another_timeline_or_transport_is_another_epoch_with_a_whole_snapshot)
{
    server a;
    woken who;
    a.load(100, "10:10:", 1);
    auto const first = a.t->epoch();
    BOOST_TEST((a.subscribe(who, {}).what == kind::snapshot));
    a.t->lost(reason{reason::kind::unreachable});
    a.by = {"system/2/16384"};
    BOOST_TEST(shown(*a.t, "33") == row(1, 0));  // what was served stays until the load
    a.load(60, "9:9:", 2);
    BOOST_TEST(a.t->epoch() == shared_epoch("system/2/16384", tweets()));
    BOOST_TEST(a.t->revision() == 60U);
    auto const sent = a.next();
    BOOST_TEST((sent.what == kind::snapshot && !sent.partial));
    a.by = {};
    a.t->lost(reason{reason::kind::unreachable});
    a.load(0, "30:30:", 2);
    BOOST_TEST(a.t->epoch() != first);
    BOOST_TEST(a.t->revision() == 1U);
    BOOST_TEST(!a.t->shares_positions());
}

// What is served then is the truth at the fence and some of the later commits: no position describes it.
BOOST_AUTO_TEST_CASE(a_load_that_another_must_follow_has_an_epoch_of_its_own)
{
    server a;
    BOOST_TEST_REQUIRE(!a.t->begin_load(&a.by));
    BOOST_TEST_REQUIRE(!a.t->set_fence(snapshot("10:10:")));
    a.at(50, simple(event::kind::reload, 12));
    a.t->await_barrier("b");
    a.by.committing = 60;
    BOOST_TEST_REQUIRE(a.t->barrier_back("b").has_value());
    a.at(60);
    BOOST_TEST((a.t->state() == state::stale));
    BOOST_TEST(a.t->epoch() != shared_epoch(a.by.order, tweets()));
    a.load(100, "20:20:", 1);
    BOOST_TEST(a.t->epoch() == shared_epoch(a.by.order, tweets()));
}

BOOST_AUTO_TEST_CASE(a_client_of_a_server_that_is_ahead_is_answered_when_this_one_is_as_far)
{
    server a;
    woken who;
    a.load(100, "10:10:", 1);
    BOOST_TEST((a.subscribe(who, since_point{a.t->epoch(), 150}).what == kind::none));
    a.at(140, deltas(14, "33", 1, 0));
    BOOST_TEST((a.next().what == kind::none));
    who.times = 0;
    a.at(150);
    BOOST_TEST(who.times == 1);
    auto const sent = a.next();
    BOOST_TEST((sent.what == kind::snapshot && sent.partial && sent.items.empty()));
    BOOST_TEST(sent.revision == 150U);
}

BOOST_AUTO_TEST_CASE(a_client_of_a_server_that_stays_ahead_gets_everything)
{
    server a;
    woken who;
    a.load(100, "10:10:", 1);
    subscription::clock::time_point now{1h};
    BOOST_TEST((a.subscribe(who, since_point{a.t->epoch(), 150}, now).what == kind::none));
    BOOST_TEST((a.one->due() == now + limits{}.since_patience));
    auto const sent = a.next(now + limits{}.since_patience);
    BOOST_TEST((sent.what == kind::snapshot && !sent.partial));
    BOOST_TEST(sent.items.size() == 1U);
}

// The key changed and changed back while this server did not follow. A client was shown the value in between, elsewhere.
BOOST_AUTO_TEST_CASE(a_position_in_a_gap_is_not_resumed_from)
{
    server a, b;
    woken who;
    a.load(100, "10:10:", 1);
    b.load(100, "10:10:", 1);
    a.t->lost(reason{reason::kind::unreachable});
    b.at(150, deltas(15, "33", 1, 0));
    BOOST_TEST(shown(*b.t, "33") == row(2, 0));
    BOOST_TEST(a.load(200, "20:20:", 1).differed == 0U);
    auto const in_gap = a.subscribe(who, since_point{a.t->epoch(), 150});
    BOOST_TEST((in_gap.what == kind::snapshot && !in_gap.partial));
    BOOST_TEST(in_gap.items.size() == 1U);
    BOOST_TEST(!a.t->knows(150));
    // A client of another server can have values that are newer than its point: a snapshot in parts has them.
    BOOST_TEST(!a.t->knows(100));
    BOOST_TEST(a.t->knows(200));
    BOOST_TEST(a.t->changed_at(number(33)) == 200U);
    auto const known = a.subscribe(who, since_point{a.t->epoch(), 200});
    BOOST_TEST((known.partial && known.items.empty()));
}

// Its client may have been at another server meanwhile.
BOOST_AUTO_TEST_CASE(a_tally_that_is_not_live_sends_everything)
{
    server a;
    woken who;
    a.load(100, "10:10:", 1);
    a.t->lost(reason{reason::kind::unreachable});
    auto const sent = a.subscribe(who, since_point{a.t->epoch(), 100});
    BOOST_TEST((sent.what == kind::snapshot && !sent.partial));
}

// Who stays connected through a gap is sent what differs, and then that it is live.
BOOST_AUTO_TEST_CASE(a_subscriber_that_stays_is_sent_the_differences)
{
    server a;
    woken who;
    a.load(100, "10:10:", 1);
    a.subscribe(who, {});
    a.t->lost(reason{reason::kind::unreachable});
    BOOST_TEST((a.next().what == kind::state));
    a.load(200, "20:20:", 4);
    auto const sent = a.next();
    BOOST_TEST((sent.what == kind::change && sent.items.size() == 1U && sent.revision == 200U));
    BOOST_TEST((a.next().what == kind::state));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::cache
