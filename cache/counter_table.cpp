#include <pgtally/cache/counter_table.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

namespace pgtally::cache {

namespace {

constexpr std::uint64_t unused_revision = ~std::uint64_t{0};
constexpr std::size_t min_index_size = 16;

// A text key is one block: two bytes with its length, then the text.
std::string_view text_of(std::uint64_t word) noexcept
{
    auto const* block = reinterpret_cast<char const*>(static_cast<std::uintptr_t>(word));
    std::uint16_t size = 0;
    std::memcpy(&size, block, sizeof size);
    return {block + sizeof size, size};
}

constexpr std::uint32_t low(std::uint64_t word) noexcept
{
    return static_cast<std::uint32_t>(word);
}
constexpr std::uint32_t high(std::uint64_t word) noexcept
{
    return static_cast<std::uint32_t>(word >> 32);
}
constexpr std::uint64_t pack(std::uint32_t low_half, std::uint32_t high_half) noexcept
{
    return (std::uint64_t{high_half} << 32) | low_half;
}

}  // namespace

counter_table::counter_table(key_kind kind, std::size_t width, hash_seed const& seed)
    : kind_{kind}, width_{width}, hash_{seed}, index_(min_index_size, none), sums_(width, 0)
{
    BOOST_ASSERT(width >= 1 && width <= 64);
}

counter_table::~counter_table()
{
    free_all_keys();
}

// The move must not allocate, so it leaves `other` without an index.
counter_table::counter_table(counter_table&& other) noexcept
    : kind_{other.kind_}
    , width_{other.width_}
    , hash_{other.hash_}
    , chunks_{std::move(other.chunks_)}
    , index_{std::move(other.index_)}
    , sums_{std::move(other.sums_)}
    , newest_{std::exchange(other.newest_, none)}
    , oldest_{std::exchange(other.oldest_, none)}
    , end_{std::exchange(other.end_, 0)}
    , free_{std::exchange(other.free_, none)}
    , rows_{std::exchange(other.rows_, 0)}
    , nonzero_{std::exchange(other.nonzero_, 0)}
    , text_bytes_{std::exchange(other.text_bytes_, 0)}
{
}

counter_table& counter_table::operator=(counter_table&& other) noexcept
{
    std::swap(kind_, other.kind_);
    std::swap(width_, other.width_);
    std::swap(hash_, other.hash_);
    chunks_.swap(other.chunks_);
    index_.swap(other.index_);
    sums_.swap(other.sums_);
    std::swap(newest_, other.newest_);
    std::swap(oldest_, other.oldest_);
    std::swap(end_, other.end_);
    std::swap(free_, other.free_);
    std::swap(rows_, other.rows_);
    std::swap(nonzero_, other.nonzero_);
    std::swap(text_bytes_, other.text_bytes_);
    return *this;
}

counter_table::word* counter_table::row(slot s) noexcept
{
    return chunks_[s / rows_per_chunk].get() + (s % rows_per_chunk) * (header_words + width_);
}

counter_table::word const* counter_table::row(slot s) const noexcept
{
    return chunks_[s / rows_per_chunk].get() + (s % rows_per_chunk) * (header_words + width_);
}

counter_table::hash_value counter_table::hash(key const& k) const noexcept
{
    return is_number(kind_) ? hash_(k.number) : hash_(k.text);
}

bool counter_table::equals(slot s, key const& k) const noexcept
{
    word const stored = row(s)[0];
    return is_number(kind_) ? stored == static_cast<word>(k.number) : text_of(stored) == k.text;
}

// Where the search for a key in the index begins. The hash is a fraction of the size, which may be any number.
std::size_t counter_table::home(hash_value hash) const noexcept
{
    __extension__ using word2 = unsigned __int128;
    return static_cast<std::size_t>((word2{hash} * index_.size()) >> 64);
}

std::size_t counter_table::next_place(std::size_t place) const noexcept
{
    return place + 1 == index_.size() ? 0 : place + 1;
}

// How many steps lead from one place to another one.
std::size_t counter_table::distance(std::size_t from, std::size_t to) const noexcept
{
    return to >= from ? to - from : to + index_.size() - from;
}

// The position in the index where the slot of `k` is, or where it belongs.
std::size_t counter_table::probe(key const& k) const noexcept
{
    std::size_t place = home(k);
    while (index_[place] != none && !equals(index_[place], k)) place = next_place(place);
    return place;
}

counter_table::slot counter_table::find(key const& k) const noexcept
{
    return index_[probe(k)];
}

counter_table::slot counter_table::find_or_add(key const& k)
{
    std::size_t place = probe(k);
    if (index_[place] != none) return index_[place];
    if ((rows_ + 1) * 4 > index_.size() * 3) {
        grow_index();
        place = probe(k);
    }
    reserve_slot();
    word const stored = make_key(k);  // the last step that can throw
    slot const s = take_slot();
    word* const words = row(s);
    words[0] = stored;
    words[1] = 0;
    std::fill_n(words + header_words, width_, word{0});
    index_[place] = s;
    link_oldest(s);
    ++rows_;
    return s;
}

void counter_table::prefetch(std::span<hash_value const> hashes, will what) const noexcept
{
    if (hashes.size() < 2 || !is_large()) return;
    for (auto const h : hashes) __builtin_prefetch(&index_[home(h)]);
    for (auto const h : hashes) {
        if (auto const s = index_[home(h)]; s != none) __builtin_prefetch(row(s), 1);
    }
    if (what == will::read) return;
    // The rows beside it in the order of changes get other links.
    for (auto const h : hashes) {
        auto const s = index_[home(h)];
        if (s == none || !used(s)) continue;
        if (auto const before = older(s); before != none) __builtin_prefetch(row(before) + 2, 1);
        if (auto const after = newer(s); after != none) __builtin_prefetch(row(after) + 2, 1);
    }
}

void counter_table::grow_index()
{
    index_ = std::vector<slot>(index_.size() + index_.size() / 2, none);
    // In the order of the rows, and without a comparison, because no two rows have the same key: the other way each step
    // reads a row anywhere in memory.
    for (slot s = 0; s < end_; ++s) {
        if (!used(s)) continue;
        std::size_t place = home(key_of(s));
        while (index_[place] != none) place = next_place(place);
        index_[place] = s;
    }
}

void counter_table::reserve_slot()
{
    if (free_ != none || end_ < chunks_.size() * rows_per_chunk) return;
    chunks_.push_back(std::make_unique_for_overwrite<word[]>(rows_per_chunk * (header_words + width_)));
}

counter_table::slot counter_table::take_slot() noexcept
{
    if (free_ == none) return end_++;
    slot const s = free_;
    free_ = low(row(s)[2]);
    return s;
}

counter_table::word counter_table::make_key(key const& k)
{
    if (is_number(kind_)) return static_cast<word>(k.number);
    BOOST_ASSERT(k.text.size() <= max_key_bytes);
    auto const size = static_cast<std::uint16_t>(k.text.size());
    auto block = std::make_unique_for_overwrite<char[]>(sizeof size + size);
    std::memcpy(block.get(), &size, sizeof size);
    std::copy(k.text.begin(), k.text.end(), block.get() + sizeof size);
    text_bytes_ += sizeof size + size;
    return static_cast<word>(reinterpret_cast<std::uintptr_t>(block.release()));
}

void counter_table::free_key(slot s) noexcept
{
    if (is_number(kind_)) return;
    text_bytes_ -= sizeof(std::uint16_t) + text_of(row(s)[0]).size();
    delete[] reinterpret_cast<char*>(static_cast<std::uintptr_t>(row(s)[0]));
}

void counter_table::free_all_keys() noexcept
{
    if (is_number(kind_)) return;
    for (slot s = newest_; s != none; s = older(s)) free_key(s);
}

void counter_table::erase(slot s) noexcept
{
    std::size_t hole = probe(key_of(s));
    // Backward shift deletion: an entry that a collision pushed past the hole moves into it, so that no probe stops at
    // the hole too early.
    for (std::size_t next = next_place(hole); index_[next] != none; next = next_place(next)) {
        if (distance(home(key_of(index_[next])), next) >= distance(hole, next)) {
            index_[hole] = index_[next];
            hole = next;
        }
    }
    index_[hole] = none;
    if (!is_zero(s)) {
        --nonzero_;
        for (std::size_t i = 0; i < width_; ++i) sums_[i] -= counters(s)[i];
    }
    unlink(s);
    free_key(s);
    row(s)[1] = unused_revision;
    row(s)[2] = free_;
    free_ = s;
    --rows_;
}

std::span<std::int64_t const> counter_table::counters(slot s) const noexcept
{
    return {reinterpret_cast<std::int64_t const*>(row(s) + header_words), width_};
}

bool counter_table::is_zero(slot s) const noexcept
{
    return std::ranges::all_of(counters(s), [](std::int64_t value) { return value == 0; });
}

void counter_table::count(slot s, bool was_zero) noexcept
{
    bool const zero = is_zero(s);
    if (was_zero && !zero) ++nonzero_;
    if (!was_zero && zero) --nonzero_;
}

bool counter_table::add(slot s, std::span<std::int64_t const> deltas) noexcept
{
    BOOST_ASSERT(deltas.size() == width_);
    bool const was_zero = is_zero(s);
    bool changed = false;
    word* const values = row(s) + header_words;
    for (std::size_t i = 0; i < width_; ++i) {
        auto const before = static_cast<std::int64_t>(values[i]);
        values[i] += static_cast<word>(deltas[i]);
        sums_[i] += wide_sum{static_cast<std::int64_t>(values[i])} - before;
        changed = changed || deltas[i] != 0;
    }
    if (changed) count(s, was_zero);
    return changed;
}

bool counter_table::assign(slot s, std::span<std::int64_t const> values) noexcept
{
    BOOST_ASSERT(values.size() == width_);
    if (std::ranges::equal(counters(s), values)) return false;
    bool const was_zero = is_zero(s);
    word* const words = row(s) + header_words;
    for (std::size_t i = 0; i < width_; ++i) {
        sums_[i] += wide_sum{values[i]} - static_cast<std::int64_t>(words[i]);
        words[i] = static_cast<word>(values[i]);
    }
    count(s, was_zero);
    return true;
}

std::uint64_t counter_table::revision(slot s) const noexcept
{
    return row(s)[1];
}

bool counter_table::used(slot s) const noexcept
{
    return row(s)[1] != unused_revision;
}

void counter_table::touch(slot s, std::uint64_t revision) noexcept
{
    row(s)[1] = revision;
    if (newest_ == s) return;
    unlink(s);
    link_newest(s);
}

// A row's links are one word: the low half is the slot of the next older row, the high half that of the next newer one.
counter_table::slot counter_table::older(slot s) const noexcept
{
    return low(row(s)[2]);
}

counter_table::slot counter_table::newer(slot s) const noexcept
{
    return high(row(s)[2]);
}

void counter_table::link_oldest(slot s) noexcept
{
    row(s)[2] = pack(none, oldest_);
    if (oldest_ != none) row(oldest_)[2] = pack(s, newer(oldest_));
    else newest_ = s;
    oldest_ = s;
}

void counter_table::link_newest(slot s) noexcept
{
    row(s)[2] = pack(newest_, none);
    if (newest_ != none) row(newest_)[2] = pack(older(newest_), s);
    else oldest_ = s;
    newest_ = s;
}

void counter_table::unlink(slot s) noexcept
{
    slot const before = older(s), after = newer(s);
    if (before != none) row(before)[2] = pack(older(before), after);
    else oldest_ = after;
    if (after != none) row(after)[2] = pack(before, newer(after));
    else newest_ = before;
}

key counter_table::key_of(slot s) const noexcept
{
    word const stored = row(s)[0];
    if (is_number(kind_)) return {{}, static_cast<std::int64_t>(stored)};
    return {text_of(stored), 0};
}

void counter_table::append_key(slot s, std::string& out) const
{
    key const k = key_of(s);
    if (!is_number(kind_)) {
        out += k.text;
        return;
    }
    char digits[24];
    auto const end = std::to_chars(std::begin(digits), std::end(digits), k.number).ptr;
    out.append(digits, end);
}

std::size_t counter_table::memory_bytes() const noexcept
{
    return sizeof *this + chunks_.size() * rows_per_chunk * (header_words + width_) * sizeof(word) +
           chunks_.capacity() * sizeof(chunks_[0]) + index_.capacity() * sizeof(slot) +
           sums_.capacity() * sizeof(wide_sum) + text_bytes_;
}

}  // namespace pgtally::cache
