#pragma once

// Events: what a transaction of the source tells the replicas.
//
// Model: one payload, one event. Its JSON is decoded without a tree, into storage that the event owns and reuses, so
// that a busy replica does not allocate per event.
//
// Guarantees: any text at all decodes to an event or to an `event_error`; nothing throws but std::bad_alloc. What an
// event means for a tally (do the deltas fit its counters, is the key of its type) is the tally's to judge.
//
// Not promised: that an event is genuine. Any role can send one.

#include <pgtally/cache/fence.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

struct event {
    enum class kind {
        deltas,      // some keys' counters change
        truncate,    // every counter is 0 from here on
        reload,      // something changed that triggers do not see: load again
        definition,  // the tally was created, altered or dropped
        barrier,     // a server's own, to see that it comes back
    };

    struct delta {
        std::uint32_t key_begin, key_size;  // in `text`
        std::uint32_t values_begin;         // in `values`
        std::uint32_t values_size;
    };

    kind what{};
    std::string tally;    // its name; empty for a barrier
    std::string barrier;  // the barrier's id
    xid transaction{};
    std::uint64_t n = 0;
    std::int64_t at_us = 0;  // when the statement ended, microseconds since 1970; 0 if not told
    std::string text;
    std::vector<delta> deltas;
    std::vector<std::int64_t> values;

    std::string_view key(delta const& d) const noexcept
    {
        return std::string_view{text}.substr(d.key_begin, d.key_size);
    }
    std::span<std::int64_t const> counters(delta const& d) const noexcept
    {
        return std::span{values}.subspan(d.values_begin, d.values_size);
    }

    // Bytes that it takes: for the limit of what is kept during a load.
    std::size_t memory_bytes() const noexcept;
    void clear() noexcept;
};

// Why a payload is no event. The words are the metric's `reason`.
enum class event_error {
    none,
    too_long,      // 8000 bytes or more: PostgreSQL carries no such payload
    not_json,      // or not UTF-8, or nested deeper than an event is
    wrong_shape,   // JSON, but not an object with an event's members and their types
    wrong_number,  // a transaction id, n, time or delta out of range
};

std::string_view to_string(event_error value) noexcept;

// The longest payload in bytes, exclusive: "In the default configuration it must be shorter than 8000 bytes" (NOTIFY).
inline constexpr std::size_t max_payload_bytes = 8000;

// Decodes `payload` into `out`, whose former content is gone. `out` is only good if the answer is `none`.
event_error decode(std::string_view payload, event& out);

}  // namespace pgtally::cache
