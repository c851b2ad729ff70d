#pragma once

// What the model counts: a few keys, two numbers in each row of a source, and definitions that make up to two counters
// of them.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/definition.hpp>
#include <pgtally/cache/tally.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::sim {

inline constexpr std::size_t key_count = 8, tally_count = 2;

// Transports, by their index in a replica set.
inline constexpr std::size_t notify = 0, wal = 1, transport_count = 2;
inline constexpr char const* transport_names[]{"notify", "wal"};

using numbers = std::array<std::int64_t, 2>;
using sums = std::array<numbers, key_count>;  // by key

inline numbers operator+(numbers const& a, numbers const& b)
{
    return {a[0] + b[0], a[1] + b[1]};
}

// One definition in a tally's life. Its number decides the meaning and number of its counters, and the kind of its keys.
struct meaning {
    unsigned number = 0;
    bool exists = true;
    std::size_t by = notify;  // the transport of its events
    unsigned v = 0;           // the number that its events carry; 0: the schema has no numbers

    bool text_keys() const noexcept { return number % 4 == 3; }
    std::size_t width() const noexcept { return number % 4 == 2 ? 1 : 2; }
    numbers counters(numbers const& in_row) const noexcept;

    cache::definition as_definition(std::size_t tally) const;
    friend bool operator==(meaning const&, meaning const&) = default;
};

std::string tally_name(std::size_t tally);

// A key as PostgreSQL prints it, and the key that a row of a table has.
std::string_view key_text(meaning const& as, std::size_t key) noexcept;
std::size_t key_of(cache::counter_table const& table, cache::counter_table::slot s) noexcept;
cache::key as_key(meaning const& as, std::size_t key) noexcept;

// What is served.
meaning meaning_of(cache::tally const& tally);
numbers counters_of(cache::tally const& tally, meaning const& as, std::size_t key) noexcept;

// A fingerprint of all counters other than 0, and of their meaning.
std::uint64_t fingerprint(meaning const& as, sums const& of) noexcept;
std::uint64_t fingerprint(meaning const& as, cache::counter_table const& of) noexcept;

// The payload of an event, as the triggers write it.
struct changed_key {
    std::size_t key;
    numbers delta;  // of the source's rows
};
std::string deltas_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n,
                        std::span<changed_key const> keys);
std::string simple_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n, std::string_view what);

// An event of a statement that could not be counted, and one that does not fit its definition.
std::string broken_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n);
std::string misfit_text(std::size_t tally, meaning const& as, std::uint64_t x, std::uint64_t n);

}  // namespace pgtally::sim
