#pragma once

// What can be asked about all keys of a tally at once, and the answers.
//
// Keys are ranked by one counter: the most first, ties by key (ranking.hpp). A key whose counters are all 0 is not ranked.
//
// Lifetime: a question and an answer own what they have.

#include <pgtally/cache/counter_table.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pgtally::cache {

class ranking;

// The first `limit` keys by a counter.
struct top_question {
    std::string by;
    std::size_t limit = 10;
    friend auto operator<=>(top_question const&, top_question const&) = default;
};

// The sum over all keys of each counter, and how many keys there are.
struct sum_question {
    friend auto operator<=>(sum_question const&, sum_question const&) = default;
};

// The place of a key, and the keys up to `around` places before and after it. The key is one of the tally (`parse_key`).
struct rank_question {
    std::string by;
    std::string key;
    std::size_t around = 0;
    friend auto operator<=>(rank_question const&, rank_question const&) = default;
};

using question = std::variant<top_question, sum_question, rank_question>;

// The name of the counter that decides; null if the question needs none.
std::string const* counter_of(question const& what) noexcept;

struct answer {
    // Of a top: its keys. Of a rank: the key and its neighbours; none if the key is not ranked. By place, ascending.
    struct row {
        std::uint64_t place = 0;  // 1 is the most
        std::string key;
        std::vector<std::int64_t> counters;
        friend bool operator==(row const&, row const&) = default;
    };
    std::vector<row> rows{};

    // Of a rank: the place of the key; none if it is not ranked.
    std::optional<std::uint64_t> place{};

    // Of a rank and a sum: how many keys are not 0.
    std::uint64_t of = 0;

    // Of a sum: for each counter.
    std::vector<wide_sum> sums{};

    friend bool operator==(answer const&, answer const&) = default;
};

// Answer from a table, and its ranking by the counter that decides. They use the storage that `out` has.
void answer_top(answer& out, counter_table const& table, ranking const& order, std::size_t limit);
void answer_sum(answer& out, counter_table const& table);
void answer_rank(answer& out, counter_table const& table, ranking const& order, key const& k, std::size_t around);

}  // namespace pgtally::cache
