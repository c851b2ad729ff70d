#include "tallies.hpp"

#include <pgtally/cache/subscription.hpp>

#include <boost/test/unit_test.hpp>

#include <map>
#include <optional>
#include <random>

using namespace pgtally::cache;
using namespace pgtally::test;
using namespace std::chrono_literals;
using told = update::kind;

namespace {

struct session final : subscriber {
    int woken = 0;
    void wake(subscription&) override { ++woken; }
};

// A client that applies messages: it replaces its values on a snapshot and sets them on a change.
struct client {
    client(tally& t, subscription::options options) : of{t}, sub{t, owner, std::move(options)} {}

    told receive(subscription::clock::time_point now = {})
    {
        sub.next(last, now);
        if (last.what == told::snapshot) {
            bool const all = sub.tracked() == last.items.size() || sub.all_keys();
            if (!last.partial && !continued && all) values.clear();
            continued = last.more;
        }
        if (last.what == told::snapshot || last.what == told::change) {
            for (auto const& item : last.items) {
                std::string key;
                sub.append_key(item, key);
                values[key] = item.row == counter_table::none ? row(0, 0) : shown(of, key);
            }
            if (!last.more) revision = last.revision;
        }
        return last.what;
    }

    void drain()
    {
        while (receive() != told::none) {
        }
    }

    std::vector<std::int64_t> at(std::string const& key) const
    {
        auto const found = values.find(key);
        return found == values.end() ? row(0, 0) : found->second;
    }

    tally& of;
    session owner;
    subscription sub;
    update last;
    bool continued = false;
    std::map<std::string, std::vector<std::int64_t>> values;
    std::uint64_t revision = 0;
};

subscription::options all()
{
    return {.all_keys = true};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_subscription)

BOOST_AUTO_TEST_CASE(named_keys_are_in_the_snapshot_also_when_they_are_0)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 2, 1));
    client c{*t, {}};
    c.sub.track(number(33));
    c.sub.track(number(34));
    c.sub.track(number(33));
    BOOST_TEST(c.sub.tracked() == 2U);
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.last.items.size() == 2U);
    BOOST_TEST(c.last.revision == t->revision());
    BOOST_TEST(c.at("33") == row(2, 1));
    BOOST_TEST((c.receive() == told::none));
}

BOOST_AUTO_TEST_CASE(changes_conflate_to_the_newest_value)
{
    auto t = loaded_tally("10:20:");
    client c{*t, {}};
    c.sub.track(number(33));
    c.drain();
    for (std::uint64_t x = 21; x < 121; ++x) t->apply(deltas(x, "33", 1, 0));
    t->apply(deltas(121, "34", 1, 0));  // the client did not track this key
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.last.items.size() == 1U);
    BOOST_TEST(c.at("33") == row(100, 0));
    BOOST_TEST(c.sub.conflated() == 99U);
    BOOST_TEST((c.receive() == told::none));
}

BOOST_AUTO_TEST_CASE(all_keys_get_what_changed_since_they_were_sent_something)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    t->apply(deltas(22, "34", 1, 0));
    client c{*t, all()};
    c.drain();
    auto const before = t->revision();
    t->apply(deltas(23, "34", 1, 0));
    t->apply(deltas(24, "35", 1, 0));
    t->apply(deltas(25, "33", -1, 0));
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.last.of_all_keys);
    BOOST_TEST(c.last.from == before);
    BOOST_TEST(c.last.revision == t->revision());
    BOOST_TEST(c.last.items.size() == 3U);
    BOOST_TEST(c.at("33") == row(0, 0));
    BOOST_TEST((c.receive() == told::none));
}

// A row that an event created without changing a counter must not hide earlier changes.
BOOST_AUTO_TEST_CASE(a_delta_of_zero_hides_nothing)
{
    auto t = loaded_tally("10:20:");
    client c{*t, all()};
    c.drain();
    t->apply(deltas(21, "33", 1, 0));
    t->apply(deltas(22, "34", 0, 0));
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.at("33") == row(1, 0));
}

BOOST_AUTO_TEST_CASE(everybody_is_woken_once_per_flush)
{
    auto t = loaded_tally("10:20:");
    client named{*t, {}}, other{*t, {}}, everything{*t, all()};
    named.sub.track(number(33));
    other.sub.track(number(34));
    t->flush();
    for (auto* const c : {&named, &other, &everything}) {
        c->drain();
        c->owner.woken = 0;
    }
    for (std::uint64_t x = 21; x < 31; ++x) t->apply(deltas(x, "33", 1, 0));
    BOOST_TEST(named.owner.woken == 0);
    t->flush();
    BOOST_TEST(named.owner.woken == 1);
    BOOST_TEST(other.owner.woken == 0);
    BOOST_TEST(everything.owner.woken == 1);
    t->flush();
    BOOST_TEST(named.owner.woken == 1);
}

BOOST_AUTO_TEST_CASE(untracked_keys_are_not_sent)
{
    auto t = loaded_tally("10:20:");
    client c{*t, {}}, d{*t, {}};
    for (auto* const each : {&c, &d}) {
        for (std::int64_t k = 33; k < 36; ++k) each->sub.track(number(k));
        each->drain();
    }
    c.sub.untrack(number(33));
    c.sub.untrack(number(99));
    for (char const* k : {"33", "34", "35"}) t->apply(deltas(21, k, 1, 0));
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.last.items.size() == 2U);
    BOOST_TEST((d.receive() == told::change));
    BOOST_TEST(d.last.items.size() == 3U);
    c.sub.track(number(33));
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.at("33") == row(1, 0));
}

// The revision of a snapshot after `track` must not promise changes of other keys that are not sent yet.
BOOST_AUTO_TEST_CASE(a_tracked_snapshot_does_not_overtake_a_change)
{
    auto t = loaded_tally("10:20:");
    client c{*t, {}};
    c.sub.track(number(33));
    c.drain();
    auto const sent = c.revision;
    t->apply(deltas(21, "33", 1, 0));
    c.sub.track(number(34));
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.last.items.size() == 1U);
    BOOST_TEST(c.last.revision == sent);
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.last.revision == t->revision());
}

BOOST_AUTO_TEST_CASE(state_is_told_while_loading_and_the_snapshot_follows)
{
    tally t{tweets(), limits{}};
    client c{t, all()};
    BOOST_TEST((c.receive() == told::state));
    BOOST_TEST((c.receive() == told::none));
    t.begin_load();
    t.set_fence(snapshot("10:20:"));
    t.add_truth_row("33", row(1, 1));
    finish(t);
    t.flush();
    BOOST_TEST(c.owner.woken == 1);
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.at("33") == row(1, 1));
    t.lost({reason::kind::unreachable, "cut"});
    BOOST_TEST((c.receive() == told::state));
    BOOST_TEST((c.receive() == told::none));
}

BOOST_AUTO_TEST_CASE(an_interval_holds_changes_back_and_says_until_when)
{
    auto t = loaded_tally("10:20:");
    client c{*t, {.all_keys = true, .interval = 250ms}};
    c.drain();
    auto const start = subscription::clock::time_point{} + 1h;
    t->apply(deltas(21, "33", 1, 0));
    BOOST_TEST((c.receive(start) == told::change));
    t->apply(deltas(22, "33", 1, 0));
    BOOST_TEST((c.receive(start + 249ms) == told::none));
    BOOST_TEST((c.sub.due() == start + 250ms));
    t->apply(deltas(23, "33", 1, 0));
    BOOST_TEST((c.receive(start + 250ms) == told::change));
    BOOST_TEST(c.at("33") == row(3, 0));
    BOOST_TEST((c.sub.due() == subscription::clock::time_point::max()));
}

BOOST_AUTO_TEST_CASE(live_follows_what_an_interval_holds_back)
{
    for (bool const all_keys : {true, false}) {
        auto t = loaded_tally("10:20:");
        client c{*t, {.all_keys = all_keys, .interval = 15s}};
        if (!all_keys) c.sub.track(number(33));
        c.drain();
        auto const start = subscription::clock::time_point{} + 1h;
        t->apply(deltas(21, "33", 1, 0));
        BOOST_TEST((c.receive(start) == told::change));
        t.lost({reason::kind::unreachable, "cut"});
        BOOST_TEST((c.receive(start + 1s) == told::state));
        t.add_truth_row("33", row(5, 0));
        finish(t);
        BOOST_TEST((c.receive(start + 2s) == told::change));
        BOOST_TEST(c.at("33") == row(5, 0));
        BOOST_TEST((c.receive(start + 2s) == told::state));
        BOOST_TEST((t->state() == state::live));
        t->apply(deltas(31, "33", 1, 0));
        BOOST_TEST((c.receive(start + 3s) == told::none));
        BOOST_TEST((c.sub.due() == start + 17s));
    }
}

BOOST_AUTO_TEST_CASE(a_big_snapshot_comes_in_parts_and_changes_follow_the_last)
{
    limits small;
    small.max_keys_in_message = 10;
    auto t = loaded_tally("10:20:", small);
    for (int k = 0; k < 25; ++k) t->apply(deltas(21, std::to_string(k), 1, 0));
    client c{*t, all()};
    auto const begin = t->revision();
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.last.more);
    BOOST_TEST(c.last.items.size() == 10U);
    t->apply(deltas(22, "0", 1, 0));
    t->apply(deltas(22, "100", 1, 0));
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.last.more);
    BOOST_TEST(c.last.revision == begin);
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(!c.last.more);
    BOOST_TEST(c.last.revision == begin);
    BOOST_TEST((c.receive() == told::change));
    BOOST_TEST(c.at("0") == row(2, 0));
    BOOST_TEST(c.at("100") == row(1, 0));
    BOOST_TEST(c.values.size() == 26U);
}

BOOST_AUTO_TEST_CASE(more_changes_than_fit_are_a_new_snapshot)
{
    limits small;
    small.max_keys_in_message = 10;
    auto t = loaded_tally("10:20:", small);
    client c{*t, all()};
    c.drain();
    for (int k = 0; k < 11; ++k) t->apply(deltas(21, std::to_string(k), 1, 0));
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(c.last.more);
    c.drain();
    BOOST_TEST(c.values.size() == 11U);
}

BOOST_AUTO_TEST_CASE(since_brings_only_what_changed_after)
{
    auto t = loaded_tally("10:20:");
    for (char const* k : {"33", "34", "35"}) t->apply(deltas(21, k, 1, 0));
    auto const point = since_point{t->epoch(), t->revision()};
    t->apply(deltas(22, "34", 1, 0));
    t->apply(deltas(22, "35", -1, 0));

    client everything{*t, {.all_keys = true, .since = point}};
    BOOST_TEST((everything.receive() == told::snapshot));
    BOOST_TEST(everything.last.partial);
    BOOST_TEST(everything.values.size() == 2U);
    BOOST_TEST(everything.at("34") == row(2, 0));
    BOOST_TEST(everything.values.count("35") == 1U);  // the key fell to 0

    client named{*t, {.since = point}};
    named.sub.track(number(33));
    named.sub.track(number(34));
    BOOST_TEST((named.receive() == told::snapshot));
    BOOST_TEST(named.last.partial);
    BOOST_TEST(named.values.size() == 1U);
    BOOST_TEST((named.receive() == told::none));
}

BOOST_AUTO_TEST_CASE(since_does_not_speak_for_keys_tracked_later)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    client c{*t, {.since = since_point{t->epoch(), t->revision()}}};
    c.sub.track(number(33));
    c.sub.forget_since();
    BOOST_TEST((c.receive() == told::snapshot));
    BOOST_TEST(!c.last.partial);
    BOOST_TEST(c.at("33") == row(1, 0));
}

BOOST_AUTO_TEST_CASE(since_of_an_unknown_point_brings_everything)
{
    limits few;
    few.min_remembered_zeros = 5;
    auto t = loaded_tally("10:20:", few);
    auto const early = since_point{t->epoch(), t->revision()};
    t->apply(deltas(21, "33", 1, 0));
    for (int k = 100; k < 150; ++k) {
        t->apply(deltas(22, std::to_string(k), 1, 0));
        t->apply(deltas(22, std::to_string(k), -1, 0));
    }
    for (auto const& point : {since_point{"another epoch", 1}, since_point{t->epoch(), t->revision() + 1}, early}) {
        client c{*t, {.all_keys = true, .since = point}};
        BOOST_TEST((c.receive() == told::snapshot));
        BOOST_TEST(!c.last.partial);
        BOOST_TEST(c.values.size() == 1U);
    }
}

BOOST_AUTO_TEST_CASE(a_slow_client_whose_zeros_are_forgotten_gets_a_snapshot)
{
    limits few;
    few.min_remembered_zeros = 5;
    auto t = loaded_tally("10:20:", few);
    t->apply(deltas(21, "33", 1, 0));
    client c{*t, all()};
    c.drain();
    t->apply(deltas(22, "33", -1, 0));
    for (int k = 100; k < 150; ++k) {
        t->apply(deltas(23, std::to_string(k), 1, 0));
        t->apply(deltas(23, std::to_string(k), -1, 0));
    }
    BOOST_TEST(t->table().find(number(33)) == counter_table::none);
    c.drain();
    BOOST_TEST(c.at("33") == row(0, 0));
}

BOOST_AUTO_TEST_CASE(a_dropped_tally_says_so_once)
{
    auto t = loaded_tally("10:20:");
    client c{*t, all()};
    c.drain();
    c.owner.woken = 0;
    t.reset();
    BOOST_TEST(c.owner.woken == 1);
    BOOST_TEST((c.receive() == told::dropped));
    BOOST_TEST((c.receive() == told::none));
    BOOST_TEST(c.sub.dropped());
}

// Random clients join, leave, are slow and resume: when a client has taken every message, its values equal the tally's.
BOOST_AUTO_TEST_CASE(clients_converge_whatever_happens)
{
    for (unsigned seed = 1; seed <= 20; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            limits small;
            small.max_keys_in_message = 20;
            small.min_remembered_zeros = 10;
            auto t = loaded_tally("10:20:", small);
            std::mt19937 random{seed};
            std::vector<std::unique_ptr<client>> clients;
            auto const connect = [&](std::optional<since_point> since,
                                     std::map<std::string, std::vector<std::int64_t>> had) {
                auto c =
                    std::make_unique<client>(*t, subscription::options{.all_keys = true, .since = std::move(since)});
                c->values = std::move(had);
                return c;
            };
            for (int i = 0; i < 4; ++i) clients.push_back(connect({}, {}));
            for (int step = 0; step < 3000; ++step) {
                auto const k = std::to_string(random() % 60);
                auto const now = shown(*t, k)[0];
                if (random() % 300 == 0) t->apply(simple(event::kind::truncate, 30));
                else t->apply(deltas(30, k, random() % 2 == 0 ? -now : 1, 0));
                auto& c = clients[random() % clients.size()];
                if (random() % 3 == 0) c->receive();
                if (random() % 50 == 0) {
                    c->drain();
                    c = connect(since_point{t->epoch(), c->revision}, c->values);
                }
            }
            for (auto const& c : clients) {
                c->drain();
                for (int k = 0; k < 60; ++k) BOOST_TEST(c->at(std::to_string(k)) == shown(*t, std::to_string(k)));
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
