#pragma once

// Events: the messages that transactions on the source send to the replicas.
//
// Model: each payload is one event. `decode` parses its JSON without building a tree, into storage that the event owns
// and reuses, so that a busy replica does not allocate for each event. What triggers send for changed rows has a shorter
// way (plain_event.hpp). The tally checks what depends on its definition: whether the deltas fit its counters, and whether a
// key is of its type.
//
// Guarantees: every text decodes to an event or to an `event_error`.
//
// Not promised: that an event is genuine. Any role can send one.
//
// Threads: distinct objects may be used on any threads, one object on one at a time.
//
// Errors: only std::bad_alloc is thrown.

#include <pgtally/cache/fence.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

struct event {
    enum class kind {
        deltas,      // adds to the counters of some keys
        truncate,    // sets every counter to 0
        reload,      // the source changed in a way that triggers do not see: the tally must be loaded again
        definition,  // the tally was created, altered or dropped
        broken,      // a statement changed the source, and its change could not be counted
        barrier,     // a replica sent this event to itself, to see that it comes back
    };

    struct delta {
        std::uint32_t key_begin, key_size;  // in `text`
        std::uint32_t values_begin;         // in `values`
        std::uint32_t values_size;
    };

    kind what{};
    std::string tally;    // the tally's name; empty for a barrier
    std::string barrier;  // the barrier's id; empty for other kinds
    xid transaction{};
    std::uint64_t v = 0;     // the number of the definition by which the event was made; 0: it names none
    std::uint64_t n = 0;     // distinguishes events of one transaction that are equal otherwise
    std::int64_t at_us = 0;  // the end of the statement, in microseconds since 1970; 0 if the payload has none
    std::string text;        // the keys, one after the other; of `broken`: SQLSTATE and message
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

    // The memory that the event uses, in bytes: `limits::max_kept_bytes` counts it.
    std::size_t memory_bytes() const noexcept;

    // Makes the event empty and keeps its storage.
    void clear() noexcept;
};

// Why a payload is no event. The metric `pgtally_events_dropped_total` has these words as its `reason`.
enum class event_error {
    none,          // it is one
    too_long,      // it has 8000 bytes or more: PostgreSQL sends no such payload
    not_json,      // it is not JSON, not UTF-8, or nested deeper than an event
    wrong_shape,   // it is JSON, but not an object with the members of an event and their types
    wrong_number,  // a transaction id, definition, n, time or delta is out of range
};

std::string_view to_string(event_error value) noexcept;

// A payload is shorter than this: "In the default configuration it must be shorter than 8000 bytes" (NOTIFY in the
// PostgreSQL manual).
inline constexpr std::size_t max_payload_bytes = 8000;

// Decodes `payload` into `out` and replaces its content. If the result is not `none`, the content is unspecified.
event_error decode(std::string_view payload, event& out);

}  // namespace pgtally::cache
