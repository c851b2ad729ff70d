#pragma once

// The counters of one tally, in memory.
//
// Model: rows of 64-bit words live in chunks that never move, so that a row's number, its slot, stays good until the
// row is erased. A row is the key (eight bytes: the number itself, or a pointer to a text), the revision at which it
// last changed, two links, and the counters. The links keep all rows in the order of their last change, so that "what
// changed since revision R" costs as many steps as there are answers. An index of slots, open addressing with linear
// probing, finds a row by its key.
//
// Guarantees: with two counters and bigint keys a row takes at most 64 bytes, the index and the slack of both included.
// Sums over all keys are kept with every change. Arithmetic wraps around, so that sums commute whatever comes between.
//
// Not promised: anything across threads. A key that is 0 keeps its row until somebody erases it.

#include <pgtally/cache/key.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace pgtally::cache {

// A sum over all keys: one counter of one key fits 64 bits, their sum need not.
__extension__ using wide_sum = __int128;

class counter_table {
public:
    using slot = std::uint32_t;
    static constexpr slot none = 0xffffffff;

    // `width` counters per key, 1 to 64.
    counter_table(key_kind kind, std::size_t width);
    ~counter_table();
    counter_table(counter_table&&) noexcept;
    counter_table& operator=(counter_table&&) noexcept;

    key_kind kind() const noexcept { return kind_; }
    std::size_t width() const noexcept { return width_; }

    // The row of `k`, or `none`.
    slot find(key const& k) const noexcept;

    // The row of `k`; a new one has all counters 0, revision 0, and is the oldest: it has not changed yet.
    slot find_or_add(key const& k);

    void erase(slot s) noexcept;

    std::span<std::int64_t const> counters(slot s) const noexcept;
    bool is_zero(slot s) const noexcept;

    // Adds to, or replaces, a row's counters. Answers whether they are other than before.
    bool add(slot s, std::span<std::int64_t const> deltas) noexcept;
    bool assign(slot s, std::span<std::int64_t const> values) noexcept;

    // The revision at which the row last changed. `touch` sets it and makes the row the one that changed last.
    std::uint64_t revision(slot s) const noexcept;
    void touch(slot s, std::uint64_t revision) noexcept;

    // From the row that changed last to the one before it, until `none`.
    slot newest() const noexcept { return newest_; }
    slot older(slot s) const noexcept;
    slot oldest() const noexcept { return oldest_; }
    slot newer(slot s) const noexcept;

    // Slots are below `end()`; some may be unused.
    slot end() const noexcept { return end_; }
    bool used(slot s) const noexcept;

    // The key of a row, as `key` (its text good until the row is erased) and as text appended to `out`.
    key key_of(slot s) const noexcept;
    void append_key(slot s, std::string& out) const;

    std::size_t rows() const noexcept { return rows_; }
    std::size_t nonzero() const noexcept { return nonzero_; }
    std::size_t zeros() const noexcept { return rows_ - nonzero_; }
    std::span<wide_sum const> sums() const noexcept { return sums_; }

    // All that the table holds, in bytes.
    std::size_t memory_bytes() const noexcept;

private:
    using word = std::uint64_t;
    static constexpr std::size_t rows_per_chunk = 1024;
    static constexpr std::size_t header_words = 3;  // key, revision, links

    word* row(slot s) noexcept;
    word const* row(slot s) const noexcept;
    std::uint64_t hash(key const& k) const noexcept;
    bool equals(slot s, key const& k) const noexcept;
    std::size_t probe(key const& k) const noexcept;
    void grow_index();
    void link_newest(slot s) noexcept;
    void link_oldest(slot s) noexcept;
    void unlink(slot s) noexcept;
    slot take_slot();
    word make_key(key const& k);
    void free_key(slot s) noexcept;
    void free_all_keys() noexcept;
    void count(slot s, bool was_zero) noexcept;

    key_kind kind_;
    std::size_t width_;
    std::vector<std::unique_ptr<word[]>> chunks_;
    std::vector<slot> index_;
    std::vector<wide_sum> sums_;
    slot newest_ = none, oldest_ = none, end_ = 0, free_ = none;
    std::size_t rows_ = 0, nonzero_ = 0, text_bytes_ = 0;
};

}  // namespace pgtally::cache
