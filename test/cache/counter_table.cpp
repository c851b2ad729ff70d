#include <pgtally/cache/counter_table.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace pgtally::cache;
using slot = counter_table::slot;

namespace {

key number(std::int64_t n)
{
    return {{}, n};
}

using two = std::array<std::int64_t, 2>;

// How many allocations of this program succeed before one fails.
std::size_t allocations_left = std::numeric_limits<std::size_t>::max();

// While it exists, allocations fail after this many.
struct allocations_fail {
    explicit allocations_fail(std::size_t after) { allocations_left = after; }
    ~allocations_fail() { allocations_left = std::numeric_limits<std::size_t>::max(); }
    allocations_fail(allocations_fail const&) = delete;
    allocations_fail& operator=(allocations_fail const&) = delete;
};

}  // namespace

void* operator new(std::size_t bytes)
{
    if (allocations_left == 0) throw std::bad_alloc{};
    if (allocations_left != std::numeric_limits<std::size_t>::max()) --allocations_left;
    if (void* const block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
    throw std::bad_alloc{};
}

void* operator new[](std::size_t bytes)  // the one of AddressSanitizer does not call `operator new` above
{
    return operator new(bytes);
}

void operator delete(void* block) noexcept
{
    std::free(block);
}

void operator delete(void* block, std::size_t) noexcept
{
    std::free(block);
}

void operator delete[](void* block) noexcept
{
    std::free(block);
}

void operator delete[](void* block, std::size_t) noexcept
{
    std::free(block);
}

BOOST_AUTO_TEST_SUITE(test_counter_table)

BOOST_AUTO_TEST_CASE(adds_and_assigns)
{
    counter_table table{key_kind::bigint, 2};
    auto const s = table.find_or_add(number(33));
    BOOST_TEST(table.is_zero(s));
    BOOST_TEST(table.add(s, two{1, 2}));
    BOOST_TEST(!table.add(s, two{0, 0}));
    BOOST_TEST(table.counters(s)[1] == 2);
    BOOST_TEST(table.assign(s, two{5, 5}));
    BOOST_TEST(!table.assign(s, two{5, 5}));
    BOOST_TEST((table.sums()[0] == 5));
    BOOST_TEST(table.nonzero() == 1U);
    BOOST_TEST(table.add(s, two{-5, -5}));
    BOOST_TEST(table.nonzero() == 0U);
    BOOST_TEST(table.zeros() == 1U);
    BOOST_TEST(table.find(number(33)) == s);
    BOOST_TEST(table.find(number(34)) == counter_table::none);
}

BOOST_AUTO_TEST_CASE(wraps_around_and_comes_back)
{
    counter_table table{key_kind::bigint, 1};
    auto const s = table.find_or_add(number(1));
    std::array<std::int64_t, 1> const most{std::numeric_limits<std::int64_t>::max()}, one{1}, back{-1};
    table.add(s, most);
    table.add(s, one);
    table.add(s, back);
    BOOST_TEST(table.counters(s)[0] == most[0]);
    BOOST_TEST((table.sums()[0] == most[0]));
}

BOOST_AUTO_TEST_CASE(sums_exceed_64_bits)
{
    counter_table table{key_kind::bigint, 1};
    std::array<std::int64_t, 1> const most{std::numeric_limits<std::int64_t>::max()};
    for (std::int64_t k = 0; k < 4; ++k) table.assign(table.find_or_add(number(k)), most);
    BOOST_TEST((table.sums()[0] == wide_sum{most[0]} * 4));
}

BOOST_AUTO_TEST_CASE(rows_are_in_the_order_of_their_last_change)
{
    counter_table table{key_kind::bigint, 1};
    std::array<slot, 3> s{};
    for (std::size_t k = 0; k < 3; ++k) {
        s[k] = table.find_or_add(number(static_cast<std::int64_t>(k)));
        table.touch(s[k], k + 1);
    }
    table.touch(s[1], 4);
    BOOST_TEST(table.newest() == s[1]);
    BOOST_TEST(table.older(s[1]) == s[2]);
    BOOST_TEST(table.older(s[2]) == s[0]);
    BOOST_TEST(table.older(s[0]) == counter_table::none);
    BOOST_TEST(table.oldest() == s[0]);
    BOOST_TEST(table.newer(s[0]) == s[2]);
    table.erase(s[2]);
    BOOST_TEST(table.older(s[1]) == s[0]);
    BOOST_TEST(table.newer(s[0]) == s[1]);
    table.erase(s[1]);
    table.erase(s[0]);
    BOOST_TEST(table.newest() == counter_table::none);
    BOOST_TEST(table.oldest() == counter_table::none);
}

BOOST_AUTO_TEST_CASE(a_move_needs_no_memory)
{
    for (auto const kind : {key_kind::bigint, key_kind::text}) {
        counter_table table{kind, 2};
        std::array<key, 3> const keys{*parse_key(kind, "33"), *parse_key(kind, "34"), *parse_key(kind, "35")};
        for (auto const& k : keys) table.touch(table.find_or_add(k), 7);
        table.erase(table.find(keys[1]));
        table.add(table.find(keys[0]), two{2, 1});
        auto const moved = [&] {
            allocations_fail const from_now_on{0};
            return counter_table{std::move(table)};
        }();
        BOOST_TEST(moved.rows() == 2U);
        BOOST_TEST(moved.nonzero() == 1U);
        BOOST_TEST((moved.sums()[0] == 2));
        BOOST_TEST(moved.counters(moved.find(keys[0]))[1] == 1);
        BOOST_TEST(moved.find(keys[1]) == counter_table::none);
        BOOST_TEST(moved.newest() == moved.find(keys[2]));
        table = counter_table{kind, 1};
        BOOST_TEST(table.find(keys[0]) == counter_table::none);
        BOOST_TEST(table.rows() == 0U);
        BOOST_TEST(table.width() == 1U);
    }
}

// How many rows fill the index, and how many the chunks, so that an addition needs more of one.
BOOST_AUTO_TEST_CASE(an_addition_without_memory_changes_nothing)
{
    std::size_t index = 16;
    while (index < 15'000) index += index / 2;
    for (std::size_t const full : {index * 3 / 4, std::size_t{12 * 1024}}) {
        counter_table table{key_kind::text, 1};
        std::vector<std::string> texts;
        for (std::size_t i = 0; i <= full; ++i) texts.push_back("key " + std::to_string(i));
        for (std::size_t i = 0; i < full; ++i) table.find_or_add({texts[i], 0});
        key const another{texts[full], 0};
        std::size_t failures = 0;
        for (slot added = counter_table::none; added == counter_table::none;) {
            try {
                allocations_fail const later{std::min<std::size_t>(failures, 1)};  // earlier growth is kept
                added = table.find_or_add(another);
            } catch (std::bad_alloc const&) {
                ++failures;
                BOOST_TEST_REQUIRE(failures < 10U);
                BOOST_TEST(table.rows() == full);
                BOOST_TEST(table.end() == full);
                BOOST_TEST(table.find(another) == counter_table::none);
            }
        }
        BOOST_TEST(failures == 2U);  // of the index or the chunk, and of the key; the chunks' vector has room
        BOOST_TEST(table.rows() == full + 1);
        for (std::size_t i = 0; i <= full; ++i) BOOST_TEST_REQUIRE(table.used(table.find({texts[i], 0})));
    }
}

// Compares the table with a std::map after random operations of every kind.
BOOST_AUTO_TEST_CASE(equals_a_map_after_random_operations)
{
    for (auto const kind : {key_kind::bigint, key_kind::text}) {
        counter_table table{kind, 2};
        std::map<std::string, two> model;
        std::mt19937_64 random{33};
        for (int step = 0; step < 200'000; ++step) {
            auto const text = std::to_string(static_cast<std::int64_t>(random() % 3000) - 1500);
            auto const k = *parse_key(kind, text);
            auto const action = random() % 10;
            if (action < 6) {
                two const delta{static_cast<std::int64_t>(random() % 5) - 2,
                                static_cast<std::int64_t>(random() % 5) - 2};
                table.add(table.find_or_add(k), delta);
                auto& values = model[text];
                values[0] += delta[0];
                values[1] += delta[1];
            } else if (auto const s = table.find(k); s != counter_table::none) {
                table.erase(s);
                BOOST_TEST_REQUIRE(model.erase(text) == 1U);
            } else {
                BOOST_TEST_REQUIRE(model.count(text) == 0U);
            }
        }
        BOOST_TEST(table.rows() == model.size());
        std::size_t nonzero = 0;
        two sums{};
        for (auto const& [text, values] : model) {
            auto const s = table.find(*parse_key(kind, text));
            BOOST_TEST_REQUIRE(s != counter_table::none);
            BOOST_TEST((table.counters(s)[0] == values[0] && table.counters(s)[1] == values[1]));
            std::string printed;
            table.append_key(s, printed);
            BOOST_TEST(printed == text);
            if (values != two{}) ++nonzero;
            sums[0] += values[0];
            sums[1] += values[1];
        }
        BOOST_TEST(table.nonzero() == nonzero);
        BOOST_TEST((table.sums()[0] == sums[0] && table.sums()[1] == sums[1]));
        std::size_t linked = 0, used = 0;
        for (auto s = table.newest(); s != counter_table::none; s = table.older(s)) ++linked;
        for (slot s = 0; s < table.end(); ++s) used += table.used(s) ? 1 : 0;
        BOOST_TEST(linked == model.size());
        BOOST_TEST(used == model.size());
    }
}

BOOST_AUTO_TEST_CASE(a_key_with_two_counters_takes_at_most_50_bytes)
{
    constexpr std::size_t keys = 1'000'000, many = 100'000;
    counter_table table{key_kind::bigint, 2};
    for (std::size_t k = 1; k <= keys; ++k) {
        table.add(table.find_or_add(number(static_cast<std::int64_t>(k * 7919))), two{1, 1});
        if (k >= many && table.memory_bytes() > 50 * k)
            BOOST_FAIL(k << " keys take " << table.memory_bytes() << " bytes");
    }
    BOOST_TEST_MESSAGE("bytes per key: " << static_cast<double>(table.memory_bytes()) / keys);
}

BOOST_AUTO_TEST_SUITE_END()
