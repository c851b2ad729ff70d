#pragma once

// Rows of a counter table in the order of one counter.
//
// Model: a treap. A node belongs to the slot of a row; it has the row's value, a parent, two children, and the size of its
// subtree. The largest value comes first; rows of equal values stand by their keys, ascending: integers by number, others
// by their bytes. A hash of the slot, seeded for the process, decides how high a node stands, so that nobody can choose
// changes that make the tree deep. The ranking never asks the table for a value: it knows by itself where a row stands,
// so that a row may change before it is told.
//
// Guarantees: `insert`, `erase`, `place` and the first row of `read` take O(log n) steps, each further row of `read` O(1),
// all of them on average. A slot takes 24 bytes, those of rows that are not ranked too.
//
// Lifetime: the seed outlives the ranking. One that was moved from is empty.
//
// Threads: one.
//
// Errors: `insert` allocates; if it throws std::bad_alloc, the ranking is unchanged.
//
// Preconditions: every call takes the same table, in which the rows that are ranked keep their keys.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/key_hash.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace pgtally::cache {

class ranking {
public:
    using slot = counter_table::slot;

    explicit ranking(hash_seed const& seed = process_hash_seed()) noexcept : seed_{&seed} {}
    ranking(ranking&& other) noexcept
        : seed_{other.seed_}, chunks_{std::move(other.chunks_)}, root_{std::exchange(other.root_, none)}
    {
    }
    ranking& operator=(ranking&& other) noexcept
    {
        seed_ = other.seed_;
        chunks_ = std::exchange(other.chunks_, {});
        root_ = std::exchange(other.root_, none);
        return *this;
    }
    ~ranking() = default;

    // Adds a row. Precondition: it is not ranked.
    void insert(counter_table const& table, slot s, std::int64_t value);

    // Removes a row. Precondition: it is ranked.
    void erase(slot s) noexcept;

    // Gives a row another value. Precondition: it is ranked.
    void change(counter_table const& table, slot s, std::int64_t value) noexcept;

    std::size_t size() const noexcept { return size_of(root_); }
    bool contains(slot s) const noexcept { return s / nodes_per_chunk < chunks_.size() && node(s).size != 0; }

    // How many rows stand before this one. Precondition: it is ranked.
    std::size_t place(slot s) const noexcept;

    // Writes the rows from a place on into `out`, as many as there are and fit. Returns how many.
    std::size_t read(std::size_t place, std::span<slot> out) const noexcept;

    // The memory that the ranking uses, in bytes.
    std::size_t memory_bytes() const noexcept;

private:
    static constexpr slot none = counter_table::none;
    static constexpr std::size_t nodes_per_chunk = 1024;
    struct row_node {
        std::int64_t value = 0;
        slot parent = none, left = none, right = none;
        std::uint32_t size = 0;  // 0: the row is not ranked
    };
    using side = slot row_node::*;

    row_node& node(slot s) noexcept { return chunks_[s / nodes_per_chunk][s % nodes_per_chunk]; }
    row_node const& node(slot s) const noexcept { return chunks_[s / nodes_per_chunk][s % nodes_per_chunk]; }
    std::uint32_t size_of(slot s) const noexcept { return s == none ? 0 : node(s).size; }
    std::uint64_t height(slot s) const noexcept { return hash_of(std::int64_t{s}, *seed_); }
    bool before(counter_table const& table, slot a, slot b) const noexcept;
    slot at(std::size_t place) const noexcept;
    slot beside(slot s, side near, side far) const noexcept;
    void put(counter_table const& table, slot s, std::int64_t value) noexcept;
    void rotate_up(slot s) noexcept;
    void replace_child(slot parent, slot old, slot by) noexcept;

    hash_seed const* seed_;
    std::vector<std::unique_ptr<row_node[]>> chunks_;  // by slot
    slot root_ = none;
};

}  // namespace pgtally::cache
