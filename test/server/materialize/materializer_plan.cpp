#include "../../cache/tallies.hpp"

#include <pgtally/server/materialize/materializer_plan.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace pgtally::server {

using namespace pgtally::test;
using cache::tally;
using step = materializer_plan::step;

namespace {

// A table in memory, which refuses the rows whose keys are in `refuses`.
struct table {
    std::map<std::string, std::vector<std::int64_t>> rows;
    std::set<std::string> refuses;
    std::size_t statements = 0, largest = 0, skipped = 0, written = 0;

    bool write(materializer_plan::batch const& batch)
    {
        ++statements;
        largest = std::max(largest, batch.keys.size());
        auto const bad = [this](auto const& key) { return refuses.contains(key); };
        if (std::ranges::any_of(batch.keys, bad)) return false;
        auto const width = batch.counters.size() / batch.keys.size();
        for (std::size_t i = 0; i < batch.keys.size(); ++i) {
            auto const first = batch.counters.begin() + static_cast<std::ptrdiff_t>(i * width);
            rows[batch.keys[i]].assign(first, first + static_cast<std::ptrdiff_t>(width));
        }
        written += batch.keys.size();
        return true;
    }

    // A page of keys, ordered and limited as by PostgreSQL.
    std::vector<std::string> page(std::optional<std::string> const& after, std::size_t size) const
    {
        std::vector<std::string> out;
        for (auto const& [key, values] : rows) {
            bool const zero = std::ranges::all_of(values, [](auto v) { return v == 0; });
            if (!zero && (!after || key > *after) && out.size() < size) out.push_back(key);
        }
        return out;
    }

    std::map<std::string, std::vector<std::int64_t>> nonzero() const
    {
        auto out = rows;
        std::erase_if(out,
                      [](auto const& row) { return row.second == std::vector<std::int64_t>(row.second.size(), 0); });
        return out;
    }
};

std::map<std::string, std::vector<std::int64_t>> nonzero(tally const& t)
{
    std::map<std::string, std::vector<std::int64_t>> out;
    for (cache::counter_table::slot s = 0; s < t.table().end(); ++s) {
        if (!t.table().used(s) || t.table().is_zero(s)) continue;
        std::string key;
        t.table().append_key(s, key);
        auto const values = t.table().counters(s);
        out[key].assign(values.begin(), values.end());
    }
    return out;
}

struct fixture {
    limits bounds;
    std::unique_ptr<tally> counted = loaded_tally("10:10:");
    materializer_plan plan{bounds};
    table kept;
    std::uint64_t transaction = 10;
    std::size_t turns = 0;
    std::function<void()> between = [] {};

    fixture()
    {
        bounds.materialize_batch_keys = 4;
        bounds.materialize_list_keys = 10;
        bounds.materialize_rows = 8;
        bounds.max_materialize_splits = 12;
    }

    void add(std::string const& key, std::int64_t rts, std::int64_t favs)
    {
        counted->apply(deltas(++transaction, key, rts, favs));
    }
    void add_many(int from, int to)
    {
        for (int i = from; i < to; ++i) add(std::to_string(i), i, 1);
    }

    step one_step()
    {
        auto const what = plan.next(*counted);
        ++turns;
        if (what == step::write) {
            if (kept.write(plan.to_write())) plan.written();
            else if (plan.refused()) ++kept.skipped;
        } else if (what == step::read) {
            plan.page(*counted, kept.page(plan.page_after(), plan.page_size()));
        }
        between();
        return what;
    }

    void round()
    {
        plan.begin(*counted);
        while (one_step() != step::rest) {
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_materializer_plan, fixture)

BOOST_AUTO_TEST_CASE(first_round_is_a_full_pass)
{
    add_many(1, 30);
    kept.rows = {{"5", row(1, 1)}, {"77", row(3, 4)}, {"abc", row(1, 0)}, {"78", row(0, 0)}};
    round();
    BOOST_TEST(plan.full());
    BOOST_TEST(!plan.under_way());
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
    BOOST_TEST(kept.largest == 4U);
    BOOST_TEST(kept.rows.size() == 29U + 3);
}

BOOST_AUTO_TEST_CASE(later_rounds_write_what_changed)
{
    add_many(1, 30);
    round();
    kept.written = kept.statements = 0;
    round();
    BOOST_TEST(kept.statements == 0U);
    add("7", 1, 0);
    add("8", -8, -1);
    add("99", 1, 1);
    add("99", -1, -1);
    round();
    BOOST_TEST(!plan.full());
    BOOST_TEST(kept.written == 3U);
    BOOST_TEST(kept.rows["8"] == row(0, 0));
    BOOST_TEST(kept.rows["99"] == row(0, 0));
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
}

BOOST_AUTO_TEST_CASE(many_changes_are_looked_for_in_slices)
{
    add_many(1, 100);
    round();
    kept.written = 0;
    turns = 0;
    add_many(20, 31);  // one more than the plan lists
    round();
    BOOST_TEST(!plan.full());
    BOOST_TEST(kept.written == 11U);
    BOOST_TEST(turns >= 99U / 8);
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
    kept.written = turns = 0;
    add_many(20, 30);
    round();
    BOOST_TEST(kept.written == 10U);
    BOOST_TEST(turns == 3U + 1);
}

BOOST_AUTO_TEST_CASE(values_are_those_of_the_moment)
{
    add_many(1, 10);
    plan.begin(*counted);
    one_step();
    add("1", 100, 0);
    add("9", 100, 0);
    between = [this] { add("9", 1, 0); };
    while (one_step() != step::rest) {
    }
    between = [] {};
    BOOST_TEST(kept.rows["1"] == row(1, 1));
    BOOST_TEST(kept.rows["9"][0] > 9 + 100);
    round();
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
}

BOOST_AUTO_TEST_CASE(refused_rows_are_skipped_until_they_change)
{
    add_many(1, 9);
    kept.refuses = {"3"};
    round();
    BOOST_TEST(kept.skipped == 1U);
    BOOST_TEST(kept.rows.size() == 7U);
    auto const statements = kept.statements;
    add("4", 1, 1);
    round();
    BOOST_TEST(kept.statements == statements + 1);
    add("3", 1, 1);
    round();
    BOOST_TEST(kept.skipped == 2U);
    kept.refuses.clear();
    round();
    BOOST_TEST(!kept.rows.contains("3"));
    plan.want_full_pass();
    round();
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
}

BOOST_AUTO_TEST_CASE(a_round_looks_for_refused_rows_so_long_only)
{
    add_many(1, 41);
    for (int i = 1; i < 41; ++i) kept.refuses.insert(std::to_string(i));
    std::size_t rounds = 0;
    do {
        auto const before = kept.statements;
        round();
        BOOST_TEST(kept.statements - before <= bounds.max_materialize_splits + 2);
        ++rounds;
    } while (plan.under_way() && rounds < 100);
    BOOST_TEST(rounds > 3U);
    BOOST_TEST(kept.skipped == 40U);
}

BOOST_AUTO_TEST_CASE(another_epoch_begins_with_a_full_pass)
{
    add_many(1, 10);
    round();
    plan.begin(*counted);
    add("1", 1, 1);
    plan.begin(*counted);
    auto other = tweets();
    other.fingerprint = "other";
    counted->redefine(other);
    counted->begin_load();
    BOOST_TEST_REQUIRE(!counted->set_fence(snapshot("10:10:")));
    finish(*counted);
    BOOST_TEST((plan.next(*counted) == step::rest));
    round();
    BOOST_TEST(plan.full());
    BOOST_TEST(kept.nonzero().empty());
}

BOOST_AUTO_TEST_CASE(forgotten_zeros_make_a_full_pass)
{
    cache::limits few;
    few.min_remembered_zeros = 3;
    counted = loaded_tally("10:10:", few);
    add_many(1, 20);
    round();
    for (int i = 1; i < 20; ++i) add(std::to_string(i), -i, -1);
    BOOST_TEST_REQUIRE(counted->remembered_from() > 0U);
    round();
    BOOST_TEST(plan.full());
    BOOST_TEST(kept.nonzero().empty());
}

BOOST_AUTO_TEST_CASE(zeros_forgotten_before_a_scan_sees_them_are_found_in_the_table)
{
    cache::limits few;
    few.min_remembered_zeros = 12;
    counted = loaded_tally("10:10:", few);
    add_many(1, 31);
    round();
    for (int i = 20; i < 31; ++i) add(std::to_string(i), -i, -1);
    plan.begin(*counted);
    BOOST_TEST(!plan.full());
    BOOST_TEST((one_step() == step::again));
    auto const rows = counted->table().rows();
    add("1", -1, -1);
    add("2", -2, -1);
    BOOST_TEST_REQUIRE(counted->table().rows() < rows);
    while (one_step() != step::rest) {
    }
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
}

BOOST_AUTO_TEST_CASE(start_over_gives_up_the_round)
{
    add_many(1, 20);
    plan.begin(*counted);
    one_step();
    plan.start_over();
    BOOST_TEST(!plan.under_way());
    BOOST_TEST((plan.next(*counted) == step::rest));
    kept.rows.clear();
    round();
    BOOST_TEST((kept.nonzero() == nonzero(*counted)));
}

// Whatever happens to the tally and the table between any two steps, later rounds make the table equal to the tally,
// and a full pass also corrects the rows that were refused.
BOOST_AUTO_TEST_CASE(random_histories_end_equal)
{
    for (unsigned seed = 1; seed <= 200; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            std::mt19937 chance{seed};
            auto const draw = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(chance); };
            cache::limits few;
            few.min_remembered_zeros = 5;
            counted = loaded_tally("10:10:", few);
            plan.start_over();
            kept = {};
            between = [&] {
                for (int i = draw(4); i > 0; --i) {
                    auto const key = std::to_string(draw(60));
                    auto const now = shown(*counted, key);
                    if (draw(3) == 0) add(key, -now[0], -now[1]);
                    else add(key, draw(5) - 2, draw(3) - 1);
                }
                if (draw(40) == 0) counted->apply(simple(cache::event::kind::truncate, ++transaction));
                if (draw(30) == 0) kept.refuses = {std::to_string(draw(60)), std::to_string(draw(60))};
                if (draw(50) == 0) plan.start_over();
            };
            for (int i = 0; i < 30; ++i) {
                plan.begin(*counted);
                for (int n = 0; n < 100 && one_step() != step::rest; ++n) {
                }
                for (int n = draw(30); n > 0; --n) between();
            }
            between = [] {};
            bool const refused = !kept.refuses.empty() || kept.skipped > 0;
            kept.refuses.clear();
            while (plan.under_way()) round();
            if (refused) plan.want_full_pass();
            round();
            while (plan.under_way()) round();
            BOOST_TEST((kept.nonzero() == nonzero(*counted)));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
