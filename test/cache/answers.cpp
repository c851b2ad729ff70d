// Subscriptions to a top, the sum and a rank, against a naive model.

#include "tallies.hpp"

#include <pgtally/cache/answers.hpp>
#include <pgtally/cache/subscription.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

using namespace pgtally::cache;
using namespace pgtally::test;
using namespace std::chrono_literals;
using told = update::kind;

namespace {

using rows = std::vector<answer::row>;

// A client that has what the last snapshot or change brought.
struct asker final : subscriber {
    asker(tally& of, question what, std::chrono::milliseconds interval = 0ms, std::optional<since_point> since = {})
        : sub{of, *this, {.since = std::move(since), .interval = interval, .asks = std::move(what)}}
    {
        of.subscribers().wake(sub);
    }

    void wake(subscription&) override { ++woken; }

    told take(subscription::clock::time_point now = {})
    {
        sub.next(last, now);
        if (last.answered != nullptr) {
            has = *last.answered;
            has.rows.assign(last.rows.begin(), last.rows.end());
        }
        return last.what;
    }

    void drain()
    {
        while (take() != told::none) {
        }
        woken = 0;
    }

    int woken = 0;
    subscription sub;
    update last;
    answer has;
};

// The answer by sorting all keys.
answer naive(tally const& of, question const& what)
{
    auto const& table = of.table();
    answer out;
    rows all;
    out.sums.assign(table.width(), 0);
    auto const* const by = counter_of(what);
    auto const& names = of.definition().counters;
    auto const counter = by == nullptr ? 0 : static_cast<std::size_t>(std::ranges::find(names, *by) - names.begin());
    for (counter_table::slot s = 0; s < table.end(); ++s) {
        if (!table.used(s) || table.is_zero(s)) continue;
        auto& one = all.emplace_back();
        table.append_key(s, one.key);
        one.counters.assign(table.counters(s).begin(), table.counters(s).end());
        for (std::size_t i = 0; i < table.width(); ++i) out.sums[i] += one.counters[i];
    }
    bool const numbers = is_number(table.kind());
    std::ranges::sort(all, [&](answer::row const& a, answer::row const& b) {
        if (a.counters[counter] != b.counters[counter]) return a.counters[counter] > b.counters[counter];
        return numbers ? std::stoll(a.key) < std::stoll(b.key) : a.key < b.key;
    });
    for (std::size_t i = 0; i < all.size(); ++i) all[i].place = i + 1;
    if (auto const* const top = std::get_if<top_question>(&what)) {
        all.resize(std::min(top->limit, all.size()));
        out.rows = std::move(all);
        out.sums.clear();
        return out;
    }
    out.of = all.size();
    auto const* const rank = std::get_if<rank_question>(&what);
    if (rank == nullptr) return out;
    out.sums.clear();
    auto const at = std::ranges::find(all, rank->key, &answer::row::key);
    if (at == all.end()) return out;
    out.place = at->place;
    for (auto const& each : all) {
        auto const apart = each.place > at->place ? each.place - at->place : at->place - each.place;
        if (apart <= rank->around) out.rows.push_back(each);
    }
    return out;
}

void settle(tally& of)
{
    for (of.flush(); of.questions().has_work(); of.flush()) of.questions().work();
}

question top(std::size_t limit, char const* by = "favs")
{
    return top_question{by, limit};
}
question rank(char const* key, std::size_t around, char const* by = "favs")
{
    return rank_question{by, key, around};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_answers)

BOOST_AUTO_TEST_CASE(a_snapshot_then_the_whole_answer_when_it_is_another)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 0, 5));
    t->apply(deltas(21, "9", 0, 5));
    t->apply(deltas(21, "7", 3, 0));
    asker first{*t, top(2)}, sum{*t, sum_question{}}, mine{*t, rank("33", 1)}, none{*t, rank("8", 3)};
    t->flush();
    for (auto* const each : {&first, &sum, &mine, &none}) {
        BOOST_TEST(each->woken == 1);
        BOOST_TEST((each->take() == told::snapshot));
        BOOST_TEST(each->last.revision == t->revision());
        BOOST_TEST((each->take() == told::none));
        each->woken = 0;
    }
    BOOST_TEST(first.has.rows.size() == 2U);
    BOOST_TEST(first.has.rows[0].key == "9");
    BOOST_TEST((first.has.rows[1] == answer::row{2, "33", row(0, 5)}));
    BOOST_TEST((mine.has == naive(*t, rank("33", 1))));
    BOOST_TEST(mine.has.place.value() == 2U);
    BOOST_TEST(mine.has.rows.size() == 3U);
    BOOST_TEST(!none.has.place);
    BOOST_TEST(none.has.of == 3U);
    BOOST_TEST(none.has.rows.empty());

    // A change below the top, and far from the rank.
    t->apply(deltas(22, "50", 0, 1));
    t->apply(deltas(22, "50", 0, -1));
    t->flush();
    t->apply(deltas(23, "7", 1, 0));
    t->flush();
    BOOST_TEST(first.woken == 0);
    BOOST_TEST((first.take() == told::none));
    BOOST_TEST(sum.woken == 1);
    BOOST_TEST(mine.woken == 1);  // its neighbour has another counter
    t->apply(deltas(24, "33", 0, 1));
    t->flush();
    BOOST_TEST(first.woken == 1);
    BOOST_TEST((first.take() == told::change));
    BOOST_TEST((first.has == naive(*t, top(2))));
    BOOST_TEST(first.last.values() == 2U);
}

BOOST_AUTO_TEST_CASE(subscriptions_to_one_question_share_its_answer)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 0, 5));
    std::vector<std::unique_ptr<asker>> all;
    for (int i = 0; i < 20; ++i) all.push_back(std::make_unique<asker>(*t, top(i % 2 == 0 ? 1 : 5)));
    t->flush();
    for (auto const& each : all) each->drain();
    t->apply(deltas(22, "34", 0, 1));  // second: in the longer tops only
    t->flush();
    for (std::size_t i = 0; i < all.size(); ++i) {
        BOOST_TEST(all[i]->woken == (i % 2 == 0 ? 0 : 1));
        BOOST_TEST((all[i]->take() == (i % 2 == 0 ? told::none : told::change)));
        bool const shared = all[i]->last.answered == all[1]->last.answered;
        if (i % 2 != 0) BOOST_TEST(shared);
    }
}

BOOST_AUTO_TEST_CASE(changes_conflate_and_an_interval_holds_them_back)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 0, 1));
    asker slow{*t, top(3), 250ms};
    slow.drain();
    auto const start = subscription::clock::time_point{} + 1h;
    for (std::uint64_t x = 22; x < 32; ++x) {
        t->apply(deltas(x, "33", 0, 1));
        t->flush();
    }
    BOOST_TEST((slow.take(start) == told::change));
    BOOST_TEST(slow.has.rows[0].counters == row(0, 11));
    BOOST_TEST(slow.sub.conflated() == 9U);
    t->apply(deltas(40, "33", 0, 1));
    t->flush();
    BOOST_TEST((slow.take(start + 249ms) == told::none));
    BOOST_TEST((slow.sub.due() == start + 250ms));
    BOOST_TEST((slow.take(start + 250ms) == told::change));
}

BOOST_AUTO_TEST_CASE(states_epochs_and_the_end)
{
    auto t = std::make_unique<tally>(tweets(), limits{});
    asker a{*t, top(3)};
    BOOST_TEST((a.take() == told::state));
    BOOST_TEST((a.take() == told::none));
    t->begin_load();
    t->set_fence(snapshot("10:20:"));
    t->add_truth_row("33", row(1, 1));
    finish(*t);
    t->flush();
    BOOST_TEST((a.take() == told::snapshot));
    BOOST_TEST(a.has.rows.size() == 1U);
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST((a.take() == told::state));
    BOOST_TEST((a.take() == told::none));

    // Another definition with the counter, then one without it.
    auto other = tweets();
    other.counters = {"favs"};
    other.fingerprint = "other";
    t->redefine(other);
    BOOST_TEST((a.take() == told::state));
    t->begin_load();
    t->set_fence(snapshot("30:40:"));
    t->add_truth_row("34", std::vector<std::int64_t>{7});
    finish(*t);
    settle(*t);
    BOOST_TEST((a.take() == told::snapshot));
    BOOST_TEST((a.has == naive(*t, top(3))));
    other.counters = {"likes"};
    other.fingerprint = "without";
    t->redefine(other);
    t->flush();
    BOOST_TEST((a.take() == told::dropped));
    BOOST_TEST((a.take() == told::none));

    asker late{*t, sum_question{}};
    t.reset();
    late.woken = 0;
    BOOST_TEST((late.take() == told::dropped));
    BOOST_TEST((late.take() == told::none));
}

// What the answer was at the client's point is not known.
BOOST_AUTO_TEST_CASE(since_brings_a_whole_snapshot)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 0, 5));
    asker a{*t, top(3), 0ms, since_point{t->epoch(), t->revision()}};
    BOOST_TEST((a.take() == told::snapshot));
    BOOST_TEST(!a.last.partial);
    BOOST_TEST(a.has.rows.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_ranking_is_built_in_slices_and_follows_changes_meanwhile)
{
    limits small;
    small.max_rows_ranked = 10;
    auto t = loaded_tally("10:20:", small);
    for (int k = 0; k < 35; ++k) t->apply(deltas(21, std::to_string(k), 0, k + 1));
    int wanted = 0;
    t->questions().on_work([&] { ++wanted; });
    asker a{*t, top(3)};
    BOOST_TEST(wanted > 0);
    BOOST_TEST(t->questions().has_work());
    t->flush();
    BOOST_TEST((a.take() == told::none));  // no state either: the tally is live
    t->apply(deltas(22, "3", 0, 100));     // built already
    t->apply(deltas(22, "30", 0, 200));    // not built yet
    t->apply(deltas(22, "0", 0, -1));
    t->apply(deltas(22, "99", 0, 300));
    BOOST_TEST(!t->questions().work());
    BOOST_TEST(t->questions().ranked(1, {}) == nullptr);
    settle(*t);
    BOOST_TEST((a.take() == told::snapshot));
    BOOST_TEST((a.has == naive(*t, top(3))));
    BOOST_TEST(a.has.rows[0].key == "99");
}

BOOST_AUTO_TEST_CASE(a_ranking_is_kept_for_a_while_after_the_last_question)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 0, 5));
    auto& asked = t->questions();
    answers::clock::time_point const start{1h};
    auto const kept = t->bounds().ranking_kept;
    auto const nothing = asked.memory_bytes();
    BOOST_TEST((asked.due() == start.max()));
    BOOST_TEST(asked.ranked(1, start) != nullptr);
    BOOST_TEST((asked.due() == start + kept));
    asked.tidy(start + kept - 1ms);
    BOOST_TEST(asked.memory_bytes() > nothing);
    {
        asker a{*t, top(3)};
        asked.tidy(start + 2 * kept);
        BOOST_TEST(asked.memory_bytes() > nothing);
        BOOST_TEST((asked.due() == start.max()));
    }
    asked.tidy(start + 3 * kept);
    BOOST_TEST((asked.due() == start + 4 * kept));
    asked.tidy(start + 4 * kept);
    BOOST_TEST(asked.memory_bytes() == nothing);
}

BOOST_AUTO_TEST_CASE(a_turn_looks_at_some_ranks_and_the_next_ones_at_the_others)
{
    limits small;
    small.max_ranks_settled = 3;
    auto t = loaded_tally("10:20:", small);
    std::vector<std::unique_ptr<asker>> all;
    for (int k = 0; k < 10; ++k) {
        t->apply(deltas(21, std::to_string(k), 0, k + 1));
        all.push_back(std::make_unique<asker>(*t, rank(std::to_string(k).c_str(), 0)));
    }
    settle(*t);
    for (auto const& each : all) each->drain();
    t->apply(deltas(22, "50", 0, 100));
    t->flush();
    auto const woken = [&] { return std::ranges::count_if(all, [](auto const& each) { return each->woken > 0; }); };
    BOOST_TEST(woken() == 3);
    BOOST_TEST(t->questions().has_work());
    all.erase(all.begin() + 4);
    settle(*t);
    BOOST_TEST(woken() == 9);
    for (auto const& each : all) BOOST_TEST((each->take() == told::change));
}

// Random changes of every kind, few values and many ties: after each flush, a client that has taken every message has
// the answer that sorting gives.
BOOST_AUTO_TEST_CASE(clients_have_the_truth_after_every_flush)
{
    for (unsigned seed = 1; seed <= 24; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            std::mt19937 random{seed};
            limits small;
            small.min_remembered_zeros = 5;
            small.max_rows_ranked = 7;
            small.max_ranks_settled = 2;
            auto t = loaded_tally("10:20:", small, tweets(seed % 2 == 0 ? "text" : "bigint"));
            std::vector<std::unique_ptr<asker>> clients;
            auto const some = [&]() -> question {
                auto const* const by = random() % 2 == 0 ? "rts" : "favs";
                if (random() % 5 == 0) return sum_question{};
                if (random() % 2 == 0) return top_question{by, random() % 12 + 1};
                return rank_question{by, std::to_string(random() % 40), random() % 4};
            };
            for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<asker>(*t, some()));
            for (int step = 0; step < 600; ++step) {
                for (auto changes = random() % 4; changes > 0; --changes) {
                    auto const k = std::to_string(random() % 40);
                    auto const was = shown(*t, k);
                    if (random() % 200 == 0) t->apply(simple(event::kind::truncate, 30));
                    else if (random() % 3 == 0) t->apply(deltas(30, k, -was[0], -was[1]));
                    else if (random() % 50 == 0) t->apply(deltas(30, k, std::numeric_limits<std::int64_t>::max(), 1));
                    else
                        t->apply(deltas(30, k, static_cast<std::int64_t>(random() % 3),
                                        static_cast<std::int64_t>(random() % 5) - 2));
                }
                if (random() % 60 == 0) {  // a load whose truth differs
                    t->begin_load();
                    t->set_fence(snapshot("40:50:"));
                    for (int k = 0; k < 30; k += 3)
                        t->add_truth_row(std::to_string(k), row(static_cast<std::int64_t>(random() % 4), 1));
                    t->await_barrier("b");
                    if (!t->barrier_back("b", 5)) {
                        while (!t->compare_more(5)) t->flush();
                    }
                    t->begin_load();  // events of the transactions above count again after this fence
                    t->set_fence(snapshot("10:20:"));
                    for (counter_table::slot s = 0; s < t->table().end(); ++s) {
                        std::string text;
                        if (!t->table().used(s)) continue;
                        t->table().append_key(s, text);
                        t->add_truth_row(text, t->table().counters(s));
                    }
                    finish(*t);
                }
                auto& one = clients[random() % clients.size()];
                if (random() % 10 == 0) one = std::make_unique<asker>(*t, some());
                settle(*t);
                for (auto const& each : clients) {
                    if (random() % 4 == 0) continue;  // it is slow
                    each->drain();
                    bool const same = each->has == naive(*t, *each->sub.asks());
                    BOOST_TEST_REQUIRE(same);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
