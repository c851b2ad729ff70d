#pragma once

// What a replica answers about all keys together: a top, the sums, the rank of a key.
//
// Lifetime: these are copies and stay valid. Threads: distinct objects may be used on any threads, one object on one at a
// time.

#include <pgtally/cache/question.hpp>
#include <pgtally/cache/replica/changes.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pgtally {

// A key at its place by a counter: 1 is the most. Ties stand by key: integers by number, others by their bytes.
struct ranked_key {
    std::uint64_t place = 0;
    any_key key;
    counter_values counters;
};

using top_keys = std::vector<ranked_key>;

struct key_rank {
    std::optional<std::uint64_t> place{};  // nothing if the key's counters are all 0
    std::uint64_t of = 0;                  // how many keys are not 0
    std::vector<ranked_key> around{};      // the key itself and its neighbours; empty if there is no place
};

struct key_sums {
    std::vector<cache::wide_sum> counters{};  // in the definition's order; empty if the replica never loaded
    std::uint64_t size = 0;                   // how many keys are not 0
};

// Copies rows of an answer.
std::vector<ranked_key> ranked_keys(std::span<cache::answer::row const> rows, counter_values::names_ptr const& names);

}  // namespace pgtally
