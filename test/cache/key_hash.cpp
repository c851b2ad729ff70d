#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/key_hash.hpp>
#include <pgtally/cache/key_map.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace pgtally::cache;

namespace {

constexpr hash_seed no_seed{};
constexpr hash_seed one{0x1234567890abcdefULL, 0xfedcba0987654321ULL, 5, 7};
constexpr hash_seed other{0x9e3779b97f4a7c15ULL, 0xbf58476d1ce4e5b9ULL, 11, 13};

// A table of 1,024 places uses the low 10 bits.
std::uint64_t place(std::uint64_t hash)
{
    return hash & 1'023;
}

// Keys whose hashes under `one` are in one place of a table.
template <class Key, class Make>
std::vector<Key> colliding(std::size_t how_many, Make make)
{
    std::vector<Key> out;
    for (std::int64_t i = 0; out.size() < how_many; ++i) {
        auto candidate = make(i);
        if (place(hash_of(candidate, one)) == 0) out.push_back(std::move(candidate));
    }
    return out;
}

// Into how many places the keys fall.
template <class Key>
std::size_t places(std::vector<Key> const& keys, hash_seed const& seed)
{
    std::set<std::uint64_t> found;
    for (auto const& key : keys) found.insert(place(hash_of(key, seed)));
    return found.size();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_key_hash)

// CPython hashes bytes by SipHash-1-3. These are its values under the key 0 (PYTHONHASHSEED=0).
BOOST_AUTO_TEST_CASE(texts_are_hashed_by_siphash_1_3)
{
    std::pair<std::size_t, std::uint64_t> const known[] = {{1, 0x68a914128e01e473ULL},  {7, 0x2f098ab0c751325aULL},
                                                           {8, 0xead411e67ebe2eeaULL},  {9, 0x75927f9d95124362ULL},
                                                           {15, 0xf30eb725bb91c9eaULL}, {16, 0x8972188433a5c5b7ULL},
                                                           {40, 0x95bc321ab41d8206ULL}};
    for (auto const& [size, hash] : known) {
        std::string text;
        for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i);
        BOOST_TEST(hash_of(text, no_seed) == hash);
    }
}

BOOST_AUTO_TEST_CASE(texts_that_collide_under_one_seed_do_not_under_another)
{
    auto const keys = colliding<std::string>(64, [](std::int64_t i) { return "key " + std::to_string(i); });
    BOOST_TEST(places(keys, one) == 1U);
    BOOST_TEST(places(keys, other) > 48U);
}

BOOST_AUTO_TEST_CASE(numbers_that_collide_under_one_seed_do_not_under_another)
{
    auto const keys = colliding<std::int64_t>(64, [](std::int64_t i) { return i * 7 - 100; });
    BOOST_TEST(places(keys, one) == 1U);
    BOOST_TEST(places(keys, other) > 48U);
}

BOOST_AUTO_TEST_CASE(the_seed_of_a_process_is_not_the_default)
{
    auto const& drawn = process_hash_seed();
    BOOST_TEST(&drawn == &process_hash_seed());
    BOOST_TEST((drawn.a != 0 && drawn.b != 0 && drawn.c != 0 && drawn.d != 0));
}

// With any seed a table and a map find what was put into them.
BOOST_AUTO_TEST_CASE(a_table_and_a_map_work_under_every_seed)
{
    for (auto const* const seed : {&no_seed, &one, &other}) {
        counter_table numbers{key_kind::bigint, 1, *seed};
        counter_table texts{key_kind::text, 1, *seed};
        key_map<int> map{key_kind::text, *seed};
        for (int i = 0; i < 200; ++i) {
            auto const text = std::to_string(i);
            std::int64_t const value = i;
            numbers.assign(numbers.find_or_add(key{{}, i}), {&value, 1});
            texts.assign(texts.find_or_add(key{text, 0}), {&value, 1});
            map.find_or_add(key{text, 0}) = i;
        }
        for (int i = 0; i < 200; i += 2) {
            numbers.erase(numbers.find(key{{}, i}));
            texts.erase(texts.find(key{std::to_string(i), 0}));
        }
        for (int i = 1; i < 200; i += 2) {
            auto const text = std::to_string(i);
            BOOST_TEST(numbers.counters(numbers.find(key{{}, i}))[0] == i);
            BOOST_TEST(texts.counters(texts.find(key{text, 0}))[0] == i);
            BOOST_TEST(*map.find(key{text, 0}) == i);
        }
        BOOST_TEST((numbers.find(key{{}, 2}) == counter_table::none));
    }
}

BOOST_AUTO_TEST_SUITE_END()
