#pragma once

// What a replica returns and passes to callbacks: keys, the counters of a key, and the changes of one turn.
//
// Lifetime: `any_key`, `counter_values` and `change` are copies and stay valid. A `changes` and its iterators are valid
// during the call that they were passed to.
//
// Threads: distinct objects may be used on any threads, one object on one at a time. A `changes` belongs to the executor
// of its replica.

#include <pgtally/cache/subscription.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

// A key, from a number or from its text: 33 and "33" are the same key.
class any_key {
public:
    template <std::integral T>
    any_key(T number) : text_{std::to_string(number)}
    {
    }
    any_key(std::string text) noexcept : text_{std::move(text)} {}
    any_key(std::string_view text) : text_{text} {}
    any_key(char const* text) : text_{text} {}

    std::string const& text() const noexcept { return text_; }

    // The key as a number.
    //
    // Errors: throws std::invalid_argument if the text is not a signed 64-bit number.
    std::int64_t number() const;

    friend bool operator==(any_key const&, any_key const&) = default;
    friend std::ostream& operator<<(std::ostream& out, any_key const& k) { return out << k.text_; }

private:
    std::string text_;
};

// The counters of one key at the time when this object was made, in the definition's order and by name. If the replica
// never loaded, the object is empty. If nothing was counted for the key, every counter is 0.
class counter_values {
public:
    using names_ptr = std::shared_ptr<std::vector<std::string> const>;

    counter_values() = default;
    counter_values(names_ptr names, std::span<std::int64_t const> values);

    bool empty() const noexcept { return values_.empty(); }
    std::size_t size() const noexcept { return values_.size(); }

    // A counter by its place in the definition, or by name; and the name of a counter.
    //
    // Errors: throw std::out_of_range if there is no such counter, or if the object is empty.
    std::int64_t operator[](std::size_t index) const;
    std::int64_t operator[](std::string_view name) const;
    std::string const& name(std::size_t index) const;

    auto begin() const noexcept { return values_.begin(); }
    auto end() const noexcept { return values_.end(); }

    friend bool operator==(counter_values const& a, counter_values const& b) { return a.values_ == b.values_; }

private:
    names_ptr names_;
    std::vector<std::int64_t> values_;
};

struct change {
    any_key key;
    counter_values counters;  // the newest values
};

// The changes that one call of a subscription brings: a range of `change`, each key once, in no particular order.
class changes {
public:
    class iterator;

    changes(cache::subscription const& whose, std::span<cache::update::item const> items,
            counter_values::names_ptr names, bool snapshot);

    iterator begin() const;
    iterator end() const;
    std::size_t size() const noexcept { return items_.size(); }
    bool empty() const noexcept { return items_.empty(); }

    // Whether the range holds every key of the subscription; the counters of any other key are 0. The first call brings
    // a snapshot. Later ones follow if the tally was dropped and created again, or if more keys fell to 0 than the
    // replica remembers.
    bool snapshot() const noexcept { return snapshot_; }

private:
    change at(std::size_t index) const;

    cache::subscription const* whose_;
    std::span<cache::update::item const> items_;
    counter_values::names_ptr names_;
    std::vector<std::int64_t> zeros_;
    bool snapshot_;
};

class changes::iterator {
public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = change;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = change;

    iterator() = default;
    iterator(changes const& of, std::size_t index) noexcept : of_{&of}, index_{index} {}

    change operator*() const { return of_->at(index_); }
    iterator& operator++() noexcept
    {
        ++index_;
        return *this;
    }
    iterator operator++(int) noexcept
    {
        auto const before = *this;
        ++index_;
        return before;
    }
    friend bool operator==(iterator const&, iterator const&) = default;

private:
    changes const* of_ = nullptr;
    std::size_t index_ = 0;
};

}  // namespace pgtally
