#include <pgtally/cache/ranking.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace pgtally::cache;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                       least = std::numeric_limits<std::int64_t>::min();

// A table of one counter, its ranking, and a sorted list that must be the same.
struct ranked_table {
    explicit ranked_table(key_kind kind) : table{kind, 1} {}

    bool before(counter_table::slot a, counter_table::slot b) const
    {
        auto const x = table.counters(a)[0], y = table.counters(b)[0];
        if (x != y) return x > y;
        auto const left = table.key_of(a), right = table.key_of(b);
        if (is_number(table.kind())) return left.number < right.number;
        return std::ranges::lexicographical_compare(left.text, right.text, [](char c, char d) {
            return static_cast<unsigned char>(c) < static_cast<unsigned char>(d);
        });
    }

    void set(key const& k, std::int64_t value)
    {
        auto const s = table.find_or_add(k);
        bool const was = table.counters(s)[0] != 0;
        if (was) std::erase(model, s);
        table.assign(s, std::vector{value});
        BOOST_TEST_REQUIRE(order.contains(s) == was);
        if (value == 0) {
            if (was) order.erase(s);
            return;
        }
        if (was) order.change(table, s, value);
        else order.insert(table, s, value);
        auto const at = std::ranges::lower_bound(model, s, [this](auto a, auto b) { return before(a, b); });
        model.insert(at, s);
    }

    void check() const
    {
        BOOST_TEST_REQUIRE(order.size() == model.size());
        std::vector<counter_table::slot> all(model.size() + 1);
        BOOST_TEST_REQUIRE(order.read(0, all) == model.size());
        all.pop_back();
        bool const same = all == model;  // printing thousands of rows would take long
        BOOST_TEST_REQUIRE(same);
    }

    void check_places(std::size_t step) const
    {
        for (std::size_t place = 0; place < model.size(); place += step) {
            auto const s = model[place];
            BOOST_TEST_REQUIRE(order.place(s) == place);
            std::vector<counter_table::slot> some(5);
            auto const n = order.read(place, some);
            BOOST_TEST_REQUIRE(n == std::min<std::size_t>(5, model.size() - place));
            bool const same = std::equal(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n),
                                         model.begin() + static_cast<std::ptrdiff_t>(place));
            BOOST_TEST_REQUIRE(same);
        }
    }

    counter_table table;
    ranking order;
    std::vector<counter_table::slot> model;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_ranking)

BOOST_AUTO_TEST_CASE(it_is_empty_at_first_and_again)
{
    ranked_table t{key_kind::bigint};
    t.check();
    t.set({{}, 1}, 5);
    t.set({{}, 1}, 0);
    t.check();
    std::vector<counter_table::slot> some(3);
    BOOST_TEST(t.order.read(0, some) == 0U);
    BOOST_TEST(t.order.read(7, some) == 0U);
}

BOOST_AUTO_TEST_CASE(equal_values_stand_by_number)
{
    ranked_table t{key_kind::bigint};
    for (std::int64_t const n : {100, -3, 20, 3, -20}) t.set({{}, n}, 7);
    t.check();
    BOOST_TEST(t.table.key_of(t.model.front()).number == -20);
    BOOST_TEST(t.table.key_of(t.model.back()).number == 100);
}

BOOST_AUTO_TEST_CASE(equal_values_stand_by_bytes)
{
    ranked_table t{key_kind::text};
    for (auto const* const text : {"é", "z", "Z", "", "zz", "100", "20"}) t.set({text, 0}, 7);
    t.check();
    std::string order;
    for (auto const s : t.model) order += std::string{t.table.key_of(s).text} + ' ';
    BOOST_TEST(order == " 100 20 Z z zz é ");
}

BOOST_AUTO_TEST_CASE(the_least_and_the_most_values_have_their_places)
{
    ranked_table t{key_kind::bigint};
    t.set({{}, 1}, least);
    t.set({{}, 2}, most);
    t.set({{}, 3}, -1);
    t.set({{}, 4}, 1);
    t.check();
    BOOST_TEST(t.table.key_of(t.model.front()).number == 2);
    BOOST_TEST(t.table.key_of(t.model.back()).number == 1);
    // The most wraps around to the least.
    t.set({{}, 2}, least);
    t.check();
}

BOOST_AUTO_TEST_CASE(sorted_insertions_and_removals_keep_the_order)
{
    for (bool const rising : {true, false}) {
        ranked_table t{key_kind::bigint};
        for (std::int64_t i = 1; i <= 9'000; ++i) t.set({{}, i}, rising ? i : -i);
        t.check();
        t.check_places(17);
        for (std::int64_t i = 1; i <= 9'000; ++i) {
            t.set({{}, i}, 0);
            if (i % 997 == 0) t.check();
        }
        t.check();
    }
}

// Few values make many ties; many rows make a deep tree; phases that only add and only remove fill and empty it.
BOOST_AUTO_TEST_CASE(random_changes_keep_the_order)
{
    for (unsigned seed = 1; seed <= 8; ++seed) {
        std::mt19937_64 random{seed};
        auto const any = [&](std::int64_t from, std::int64_t to) {
            return std::uniform_int_distribution<std::int64_t>{from, to}(random);
        };
        ranked_table t{seed % 2 == 0 ? key_kind::text : key_kind::bigint};
        auto const keys = seed % 4 < 2 ? 6'000 : 200;
        auto const values = seed % 3 == 0 ? 3 : 1'000'000;
        for (int i = 0; i < 30'000; ++i) {
            auto const n = any(-keys, keys);
            auto const text = std::to_string(n);
            bool const removes = any(0, 9) < ((i / 7'500) % 2 == 0 ? 1 : 8);
            t.set({text, n}, removes ? 0 : any(-values, values));
            if (i % 3'000 == 2'999) t.check();
        }
        t.check();
        t.check_places(7);
    }
}

BOOST_AUTO_TEST_CASE(a_million_rows_take_at_most_40_bytes_each)
{
    constexpr std::int64_t rows = 1'000'000;
    std::mt19937_64 random{1};
    for (bool const sorted : {true, false}) {
        counter_table table{key_kind::bigint, 1};
        ranking order;
        auto const value_at = [&](std::int64_t i) {
            return sorted ? rows - i : static_cast<std::int64_t>(random() % 1'000 + 1);
        };
        for (std::int64_t i = 0; i < rows; ++i) {
            auto const s = table.find_or_add({{}, i});
            table.assign(s, std::vector{value_at(i)});
            order.insert(table, s, table.counters(s)[0]);
        }
        for (int i = 0; i < rows; ++i) {
            auto const s = table.find_or_add({{}, static_cast<std::int64_t>(random() % rows)});
            table.add(s, std::vector<std::int64_t>{1});
            order.change(table, s, table.counters(s)[0]);
        }
        BOOST_TEST(order.size() == static_cast<std::size_t>(rows));
        BOOST_TEST(order.memory_bytes() <= 40U * rows);
        BOOST_TEST_MESSAGE((sorted ? "sorted: " : "random: ")
                           << static_cast<double>(order.memory_bytes()) / rows << " bytes a row");
        std::vector<counter_table::slot> all(rows);
        BOOST_TEST_REQUIRE(order.read(0, all) == all.size());
        auto const stands = [&](auto a, auto b) {
            auto const x = table.counters(a)[0], y = table.counters(b)[0];
            return x != y ? x > y : table.key_of(a).number < table.key_of(b).number;
        };
        BOOST_TEST(std::ranges::is_sorted(all, stands));
    }
}

BOOST_AUTO_TEST_CASE(a_moved_ranking_is_empty)
{
    ranked_table t{key_kind::bigint};
    for (std::int64_t i = 1; i <= 100; ++i) t.set({{}, i}, i);
    ranking other{std::move(t.order)};
    BOOST_TEST(other.size() == 100U);
    BOOST_TEST(t.order.size() == 0U);
    t.order = std::move(other);
    t.check();
}

BOOST_AUTO_TEST_SUITE_END()
