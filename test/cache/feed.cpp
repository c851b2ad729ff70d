// Which subscriptions a flush wakes, and what owners may do in a wake.

#include "tallies.hpp"

#include <pgtally/cache/feed.hpp>
#include <pgtally/cache/subscription.hpp>

#include <boost/test/unit_test.hpp>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace pgtally::cache;
using namespace pgtally::test;
using told = update::kind;

namespace {

// An owner of one subscription. It takes no message; the test decides what it does in a wake.
struct client final : subscriber {
    client(tally& of, subscription::options chosen) : sub{std::make_unique<subscription>(of, *this, chosen)} {}

    void wake(subscription& which) override
    {
        BOOST_TEST(&which == sub.get());
        ++woken;
        auto const call = act;  // a copy: the call may replace `act`
        if (call) call();
    }

    told take()
    {
        sub->next(last, {});
        return last.what;
    }

    void drain()
    {
        while (take() != told::none) {
        }
        woken = 0;
    }

    std::unique_ptr<subscription> sub;
    update last;
    std::function<void()> act{};
    int woken = 0;
};

using owned = std::unique_ptr<client>;

owned of_keys(tally& of, std::vector<std::int64_t> const& keys)
{
    auto made = std::make_unique<client>(of, subscription::options{});
    for (auto const k : keys) made->sub->track(number(k));
    made->drain();
    return made;
}

owned of_all(tally& of)
{
    auto made = std::make_unique<client>(of, subscription::options{.all_keys = true});
    made->drain();
    return made;
}

// A live tally whose subscribers know its state, so that only changes wake them.
std::unique_ptr<tally> quiet_tally()
{
    auto made = loaded_tally("10:20:");
    made->flush();
    return made;
}

void change(tally& of, std::int64_t key)
{
    of.apply(deltas(21, std::to_string(key), 1, 0));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_feed)

BOOST_AUTO_TEST_CASE(a_change_wakes_those_of_its_key_and_those_of_all_keys)
{
    auto t = quiet_tally();
    auto const named = of_keys(*t, {33, 34}), same = of_keys(*t, {33}), other = of_keys(*t, {34}), every = of_all(*t);
    change(*t, 33);
    BOOST_TEST(named->woken + same->woken + every->woken == 0);
    t->flush();
    BOOST_TEST(named->woken == 1);
    BOOST_TEST(same->woken == 1);
    BOOST_TEST(other->woken == 0);
    BOOST_TEST(every->woken == 1);
    BOOST_TEST((other->take() == told::none));
    change(*t, 99);
    t->flush();
    BOOST_TEST(named->woken == 1);
    BOOST_TEST(every->woken == 2);
}

BOOST_AUTO_TEST_CASE(a_flush_wakes_once_for_many_changes)
{
    auto t = quiet_tally();
    auto const named = of_keys(*t, {33, 34, 35}), every = of_all(*t);
    for (std::int64_t k = 33; k < 36; ++k) change(*t, k);
    t->flush();
    t->flush();
    BOOST_TEST(named->woken == 1);
    BOOST_TEST(every->woken == 1);
    BOOST_TEST((named->take() == told::change));
    BOOST_TEST(named->last.items.size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_state_wakes_every_subscription)
{
    auto t = quiet_tally();
    auto const named = of_keys(*t, {33}), without_keys = of_keys(*t, {}), every = of_all(*t);
    t->lost({reason::kind::unreachable, "cut"});
    t->flush();
    for (auto const* const each : {named.get(), without_keys.get(), every.get()}) BOOST_TEST(each->woken == 1);
}

BOOST_AUTO_TEST_CASE(a_key_no_longer_tracked_wakes_nobody)
{
    auto t = quiet_tally();
    auto const first = of_keys(*t, {33}), second = of_keys(*t, {33, 34}), third = of_keys(*t, {33});
    first->sub->untrack(number(33));
    second->sub->untrack(number(33));
    change(*t, 33);
    t->flush();
    BOOST_TEST(first->woken == 0);
    BOOST_TEST(second->woken == 0);
    BOOST_TEST(third->woken == 1);
    change(*t, 34);
    t->flush();
    BOOST_TEST(second->woken == 1);
}

BOOST_AUTO_TEST_CASE(a_subscription_destroyed_before_the_flush_is_not_woken)
{
    auto t = quiet_tally();
    auto const leaving = of_keys(*t, {33}), staying = of_keys(*t, {33}), every = of_all(*t);
    change(*t, 33);
    leaving->sub.reset();
    every->sub.reset();
    t->flush();
    BOOST_TEST(leaving->woken == 0);
    BOOST_TEST(staying->woken == 1);
    BOOST_TEST(every->woken == 0);
}

BOOST_AUTO_TEST_CASE(a_wake_may_destroy_any_subscription)
{
    auto t = quiet_tally();
    auto const before = of_keys(*t, {33}), self = of_keys(*t, {33}), after = of_keys(*t, {33}), last = of_all(*t);
    auto const idle = of_keys(*t, {34});
    self->act = [&] {
        for (auto const& each : {std::cref(before), std::cref(self), std::cref(after), std::cref(idle)}) {
            each.get()->sub.reset();
        }
    };
    change(*t, 33);
    t->flush();
    BOOST_TEST(before->woken == 1);
    BOOST_TEST(self->woken == 1);
    BOOST_TEST(after->woken == 0);
    BOOST_TEST(last->woken == 1);
    change(*t, 33);
    t->lost({reason::kind::unreachable, "cut"});
    t->flush();
    BOOST_TEST(before->woken + self->woken == 2);
    BOOST_TEST(after->woken + idle->woken == 0);
    BOOST_TEST(last->woken == 2);
}

BOOST_AUTO_TEST_CASE(a_subscription_made_in_a_wake_is_woken_from_the_next_flush_on)
{
    auto t = quiet_tally();
    owned named, every;
    auto const first = of_keys(*t, {33});
    first->act = [&] {
        first->act = nullptr;
        named = of_keys(*t, {33});
        every = of_all(*t);
    };
    change(*t, 33);
    t->flush();
    BOOST_TEST_REQUIRE(named != nullptr);
    BOOST_TEST(named->woken + every->woken == 0);
    change(*t, 33);
    t->flush();
    BOOST_TEST(named->woken == 1);
    BOOST_TEST(every->woken == 1);
    BOOST_TEST(first->woken == 2);
}

BOOST_AUTO_TEST_CASE(a_wake_asked_for_in_a_wake_comes_in_the_next_flush)
{
    auto t = quiet_tally();
    auto const first = of_keys(*t, {33}), idle = of_keys(*t, {34});
    first->act = [&] {
        t->subscribers().wake(*first->sub);
        t->subscribers().wake(*idle->sub);
        t->subscribers().wake(*idle->sub);
    };
    change(*t, 33);
    t->flush();
    BOOST_TEST(first->woken == 1);
    BOOST_TEST(idle->woken == 0);
    first->act = nullptr;
    t->flush();
    BOOST_TEST(first->woken == 2);
    BOOST_TEST(idle->woken == 1);
    t->flush();
    BOOST_TEST(first->woken == 2);
    BOOST_TEST(idle->woken == 1);
}

BOOST_AUTO_TEST_CASE(a_wake_may_track_and_untrack)
{
    auto t = quiet_tally();
    auto const first = of_keys(*t, {33}), second = of_keys(*t, {33});
    first->act = [&] {
        first->sub->track(number(34));
        first->sub->untrack(number(33));
        second->sub->untrack(number(33));
    };
    change(*t, 33);
    t->flush();
    first->act = nullptr;
    BOOST_TEST((second->take() == told::none));
    first->drain();
    second->woken = 0;
    change(*t, 33);
    t->flush();
    BOOST_TEST(first->woken + second->woken == 0);
    change(*t, 34);
    t->flush();
    BOOST_TEST(first->woken == 1);
}

// Subscriptions that the flush has not reached yet are woken by the tally's destructor, once.
BOOST_AUTO_TEST_CASE(a_wake_may_destroy_the_tally)
{
    auto t = quiet_tally();
    auto const first = of_keys(*t, {33}), after = of_keys(*t, {33}), idle = of_keys(*t, {34}), every = of_all(*t);
    first->act = [&] {
        first->act = nullptr;
        t.reset();
    };
    change(*t, 33);
    t->flush();
    BOOST_TEST(first->woken == 2);
    for (auto const* const each : {after.get(), idle.get(), every.get()}) BOOST_TEST(each->woken == 1);
    for (auto const* const each : {first.get(), after.get(), idle.get(), every.get()}) {
        BOOST_TEST(each->sub->dropped());
    }
    BOOST_TEST((after->take() == told::dropped));
    BOOST_TEST((after->take() == told::none));
}

BOOST_AUTO_TEST_CASE(the_end_of_a_tally_may_destroy_other_subscriptions)
{
    auto t = quiet_tally();
    auto const first = of_keys(*t, {33}), second = of_keys(*t, {33, 34}), third = of_keys(*t, {34});
    auto const end = [&] {
        for (auto const& each : {std::cref(first), std::cref(second), std::cref(third)}) {
            if (each.get()->woken == 0) each.get()->sub.reset();
        }
    };
    for (auto const& each : {std::cref(first), std::cref(second), std::cref(third)}) each.get()->act = end;
    change(*t, 33);
    t.reset();
    BOOST_TEST(first->woken + second->woken + third->woken == 1);
}

// Removes marks of keys from the middle of their lists.
// Whoever is woken first is destroyed, and the other one is asked although it was not told yet.
BOOST_AUTO_TEST_CASE(at_the_end_of_a_tally_others_may_be_asked)
{
    auto t = quiet_tally();
    auto const one = of_keys(*t, {33, 34}), other = of_keys(*t, {33, 34});
    change(*t, 33);
    auto const end = [](client& who, client& left) {
        return [&who, &left] {
            who.sub.reset();
            if (!left.sub) return;
            BOOST_TEST((left.take() == told::change || left.take() == told::none));
        };
    };
    one->act = end(*one, *other);
    other->act = end(*other, *one);
    t.reset();
    BOOST_TEST(one->woken + other->woken == 2);
}

BOOST_AUTO_TEST_CASE(untracked_keys_leave_their_marks)
{
    auto t = quiet_tally();
    auto const c = of_keys(*t, {1, 2, 3, 4, 5});
    for (std::int64_t k = 1; k < 6; ++k) change(*t, k);
    for (std::int64_t const k : {2, 5}) c->sub->untrack(number(k));
    c->sub->track(number(6));
    c->sub->track(number(7));
    c->sub->track(number(1));  // tracked again, so the snapshot contains its change
    c->sub->untrack(number(6));
    BOOST_TEST((c->take() == told::snapshot));
    std::set<std::string> keys;
    for (auto const& item : c->last.items) {
        std::string text;
        c->sub->append_key(item, text);
        keys.insert(text);
    }
    BOOST_TEST((keys == std::set<std::string>{"1", "7"}));
    BOOST_TEST((c->take() == told::change));
    BOOST_TEST(c->last.items.size() == 2U);
    change(*t, 3);
    BOOST_TEST((c->take() == told::change));
    BOOST_TEST(c->last.items.size() == 1U);
    BOOST_TEST((c->take() == told::none));
}

// A key's changes are counted once for all who watch it, and each of them counts those that came while it watched.
BOOST_AUTO_TEST_CASE(changes_before_a_key_is_watched_are_not_conflated)
{
    auto t = quiet_tally();
    auto const early = of_keys(*t, {33, 34});
    for (int i = 0; i < 3; ++i) change(*t, 33);
    change(*t, 34);
    client late{*t, {}}, gone{*t, {}};
    for (auto* const each : {&late, &gone}) each->sub->track(number(33));
    change(*t, 33);
    gone.sub->untrack(number(33));
    t->flush();
    BOOST_TEST((late.take() == told::snapshot));
    BOOST_TEST((late.take() == told::none));
    BOOST_TEST((early->take() == told::change));
    BOOST_TEST(early->last.items.size() == 2U);
    BOOST_TEST(early->sub->conflated() == 3U);  // of four changes of 33, the newest is sent
    BOOST_TEST(late.sub->conflated() == 0U);
    BOOST_TEST(gone.sub->conflated() == 0U);
}

BOOST_AUTO_TEST_CASE(keys_that_changed_and_that_nobody_watches_any_longer_are_forgotten)
{
    auto t = quiet_tally();
    auto const stays = of_keys(*t, {2});
    auto leaves = of_keys(*t, {1, 3, 4});
    for (std::int64_t k = 1; k < 5; ++k) change(*t, k);
    leaves->sub->untrack(number(3));
    leaves.reset();
    change(*t, 1);
    t->flush();
    BOOST_TEST(stays->woken == 1);
    BOOST_TEST((stays->take() == told::change));
    BOOST_TEST(stays->last.items.size() == 1U);
}

// Clients join, leave and change their keys; a plain set records who must be woken.
BOOST_AUTO_TEST_CASE(every_flush_wakes_who_a_plain_model_says)
{
    for (unsigned seed = 1; seed <= 20; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            std::mt19937 random{seed};
            auto t = quiet_tally();
            struct modelled {
                owned which;
                std::set<std::int64_t> keys;
                bool all = false, expected = false;
                std::set<std::int64_t> changed{};  // of `keys`
            };
            std::vector<modelled> clients;
            bool changed = false;  // since the last flush, which wakes all-keys subscriptions that came later, too
            for (int step = 0; step < 2000; ++step) {
                auto const k = static_cast<std::int64_t>(random() % 20);
                auto* const one = clients.empty() ? nullptr : &clients[random() % clients.size()];
                auto const what = random() % 10;
                if (what == 0 && clients.size() < 30) {
                    bool const all = random() % 4 == 0;
                    clients.push_back({all ? of_all(*t) : of_keys(*t, {}), {}, all, all && changed});
                } else if (what == 1 && one != nullptr && random() % 3 == 0) {
                    std::swap(*one, clients.back());
                    clients.pop_back();
                } else if (what < 5 && one != nullptr && !one->all) {
                    if (one->keys.erase(k) > 0) {
                        one->which->sub->untrack(number(k));
                        one->changed.erase(k);
                    } else {
                        one->keys.insert(k);
                        one->which->sub->track(number(k));
                    }
                } else if (what < 8) {
                    change(*t, k);
                    changed = true;
                    for (auto& each : clients) {
                        each.expected |= each.all || each.keys.contains(k);
                        if (each.keys.contains(k)) each.changed.insert(k);
                    }
                } else {
                    t->flush();
                    changed = false;
                    for (auto& each : clients) {
                        // A wake for a key that changed and was untracked afterwards is allowed, and not needed.
                        if (each.all || !each.changed.empty() || !each.expected)
                            BOOST_TEST(each.which->woken == (each.expected ? 1 : 0));
                        else BOOST_TEST(each.which->woken <= 1);
                        each.expected = false;
                        each.changed.clear();
                        each.which->drain();
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
