#pragma once

#include <cstddef>
#include <cstdint>

namespace pgtally::db {

/// What a pool did since it was constructed, and its current state.
struct pool_counters {
    std::uint64_t acquired = 0;          ///< leases given
    std::uint64_t waited = 0;            ///< callers that were not served at once
    std::uint64_t waits_timed_out = 0;   ///< callers whose deadline passed
    std::uint64_t waits_cancelled = 0;   ///< callers whose coroutine was cancelled
    std::uint64_t overloaded = 0;        ///< callers refused
    std::uint64_t connects = 0;          ///< attempts to connect that succeeded
    std::uint64_t connect_failures = 0;  ///< attempts to connect that failed
    std::uint64_t lost = 0;              ///< connections returned broken, or that failed their test
    std::uint64_t discarded = 0;         ///< connections returned with lease::discard()
    std::uint64_t cleaned = 0;           ///< connections returned in a transaction, or with on_return to run
    std::uint64_t expired = 0;           ///< connections closed because of their age
    std::size_t in_use = 0;              ///< connections, at present
    std::size_t idle = 0;                ///< connections, at present
    std::size_t connecting = 0;          ///< attempts to connect, at present
    std::size_t waiting = 0;             ///< callers, at present
    std::size_t in_use_max = 0;
    std::size_t waiting_max = 0;
};

}  // namespace pgtally::db
