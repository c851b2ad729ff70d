#pragma once

#include <pgtally/server/ask/answers.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgtally::server {

// What a stream of events has told about the keys of a tally: their newest counters. Pure.
class watched {
public:
    // `keys` are those that are watched, in the order in which they are shown; empty: every key, the newest change first.
    explicit watched(std::vector<std::string> keys) : named_{std::move(keys)} {}

    // Takes an event. Returns the rows whose counters differ from those that were known: a key that vanished has counters 0.
    std::vector<counters_row> take(pushed what);

    std::vector<std::string> const& names() const noexcept { return names_; }
    std::string const& state() const noexcept { return state_; }
    std::string const& reason() const noexcept { return reason_; }
    std::size_t size() const noexcept { return rows_.size(); }

    // The first `most` rows to show.
    counters_answer shown(std::size_t most) const;

    // The revision of the newest event.
    std::uint64_t revision() const noexcept { return revision_; }

private:
    struct row {
        std::vector<std::int64_t> counters;
        std::uint64_t changed = 0;   // when, as the number of the event
        std::uint64_t snapshot = 0;  // the last one that had the key
    };

    void set(counters_row row, std::vector<counters_row>& differs);
    void forget_the_missing(std::vector<counters_row>& differs);

    std::vector<std::string> named_, names_;
    std::map<std::string, row, std::less<>> rows_;
    std::string state_, reason_;
    std::uint64_t revision_ = 0, events_ = 0, snapshot_ = 0;
    bool in_snapshot_ = false;  // a part of one came, and not the last
};

}  // namespace pgtally::server
