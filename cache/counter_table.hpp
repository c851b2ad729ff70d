#pragma once

// The counters of one tally, in memory.
//
// Model: a row is a few 64-bit words: the key, the revision of its last change, two links, and the counters. The key is
// a number, or a pointer to a text. Rows stand in chunks that never move, so that a row's number, its slot, is valid
// until the row is erased. The links order all rows by their last change: a walk from the newest row to a revision takes
// as many steps as rows changed since. An index of slots (open addressing, linear probing) finds a row by its key.
//
// Guarantees: with a bigint key and two counters, a row of a table of 100,000 rows or more takes at most 50 bytes, including
// its share of the index and of unused space. The table keeps the sums over all keys current. Counters wrap around at 64
// bits, so that additions commute.
//
// Not promised: a row whose counters are all 0 is not removed; the caller erases it.
//
// Lifetime: a table that was moved from can only be destroyed or assigned to.
//
// Threads: one.
//
// Errors: only `find_or_add`, `append_key` and the constructor allocate; they throw std::bad_alloc. If `find_or_add`
// throws, the table is unchanged.
//
// Preconditions: a slot passed to a function belongs to a row (`used`). A key is of the table's kind (`parse_key`), and
// not longer than `max_key_bytes`.

#include <pgtally/cache/key.hpp>
#include <pgtally/cache/key_hash.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace pgtally::cache {

// A sum over all keys. A counter of one key fits 64 bits; the sum of many may not.
__extension__ using wide_sum = __int128;

class counter_table {
public:
    using slot = std::uint32_t;
    static constexpr slot none = 0xffffffff;

    // A table without rows; `width` counters a key, 1 to 64. Lifetime: the seed outlives the table.
    counter_table(key_kind kind, std::size_t width, hash_seed const& seed = process_hash_seed());
    ~counter_table();
    counter_table(counter_table&&) noexcept;
    counter_table& operator=(counter_table&&) noexcept;

    key_kind kind() const noexcept { return kind_; }
    std::size_t width() const noexcept { return width_; }

    // The slot of the row of `k`, or `none`.
    slot find(key const& k) const noexcept;

    // The slot of the row of `k`. If there was none, the new row has counters 0 and revision 0, and is the oldest one,
    // because it has not changed yet.
    slot find_or_add(key const& k);

    // Asks the processor to load the rows of the keys with these hashes: one look-up after the other would wait for each of
    // them. For a table that the processor's caches hold it does nothing.
    using hash_value = std::uint64_t;
    enum class will { read, change };
    hash_value hash(key const& k) const noexcept;
    void prefetch(std::span<hash_value const> hashes, will what) const noexcept;
    bool is_large() const noexcept { return rows_ >= rows_in_caches; }

    // Removes a row. A later `find_or_add` may reuse its slot.
    void erase(slot s) noexcept;

    // A row's counters, in the definition's order. The view is valid until the row is erased.
    std::span<std::int64_t const> counters(slot s) const noexcept;
    bool is_zero(slot s) const noexcept;

    // Adds to a row's counters, or replaces them. Returns whether a counter has another value now.
    bool add(slot s, std::span<std::int64_t const> deltas) noexcept;
    bool assign(slot s, std::span<std::int64_t const> values) noexcept;

    // The revision of a row's last change. `touch` sets it and makes the row the newest.
    std::uint64_t revision(slot s) const noexcept;
    void touch(slot s, std::uint64_t revision) noexcept;

    // Rows in the order of their last change; `none` after the last one.
    slot newest() const noexcept { return newest_; }
    slot older(slot s) const noexcept;
    slot oldest() const noexcept { return oldest_; }
    slot newer(slot s) const noexcept;

    // Every slot is below `end()`. Slots of erased rows are not used.
    slot end() const noexcept { return end_; }
    bool used(slot s) const noexcept;

    // The key of a row: as a `key`, whose text is valid until the row is erased, or as text that is appended to `out`.
    key key_of(slot s) const noexcept;
    void append_key(slot s, std::string& out) const;

    // How many rows there are; rows with a counter that is not 0; rows whose counters are all 0.
    std::size_t rows() const noexcept { return rows_; }
    std::size_t nonzero() const noexcept { return nonzero_; }
    std::size_t zeros() const noexcept { return rows_ - nonzero_; }

    // The sum over all keys, for each counter.
    std::span<wide_sum const> sums() const noexcept { return sums_; }

    // The memory that the table uses, in bytes.
    std::size_t memory_bytes() const noexcept;

private:
    using word = std::uint64_t;
    static constexpr std::size_t rows_per_chunk = 1024;
    static constexpr std::size_t rows_in_caches = 4096;  // about as many
    static constexpr std::size_t header_words = 3;       // key, revision, links

    word* row(slot s) noexcept;
    word const* row(slot s) const noexcept;
    bool equals(slot s, key const& k) const noexcept;
    std::size_t home(hash_value hash) const noexcept;
    std::size_t home(key const& k) const noexcept { return home(hash(k)); }
    std::size_t next_place(std::size_t place) const noexcept;
    std::size_t distance(std::size_t from, std::size_t to) const noexcept;
    std::size_t probe(key const& k) const noexcept;
    void grow_index();
    void link_newest(slot s) noexcept;
    void link_oldest(slot s) noexcept;
    void unlink(slot s) noexcept;
    void reserve_slot();
    slot take_slot() noexcept;
    word make_key(key const& k);
    void free_key(slot s) noexcept;
    void free_all_keys() noexcept;
    void count(slot s, bool was_zero) noexcept;

    key_kind kind_;
    std::size_t width_;
    key_hash hash_;
    std::vector<std::unique_ptr<word[]>> chunks_;
    std::vector<slot> index_;
    std::vector<wide_sum> sums_;
    slot newest_ = none, oldest_ = none, end_ = 0, free_ = none;
    std::size_t rows_ = 0, nonzero_ = 0, text_bytes_ = 0;
};

}  // namespace pgtally::cache
