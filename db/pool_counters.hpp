#pragma once

#include <cstddef>
#include <cstdint>

namespace pgtally::db {

/// What a pool did since it was made, and how it stands.
struct pool_counters {
    std::uint64_t acquired = 0;          ///< leases given
    std::uint64_t waited = 0;            ///< callers that were not served at once
    std::uint64_t waits_timed_out = 0;   ///< callers whose deadline passed
    std::uint64_t waits_cancelled = 0;   ///< callers whose coroutine was cancelled
    std::uint64_t overloaded = 0;        ///< callers refused
    std::uint64_t connects = 0;          ///< that succeeded
    std::uint64_t connect_failures = 0;  ///< that did not
    std::uint64_t lost = 0;              ///< connections that came back broken, or did not stand a trial
    std::uint64_t discarded = 0;         ///< connections that came back to be closed
    std::uint64_t cleaned = 0;           ///< connections that came back in a transaction, or for on_return
    std::uint64_t expired = 0;           ///< connections closed for their age
    std::size_t in_use = 0;              ///< now
    std::size_t idle = 0;                ///< now
    std::size_t connecting = 0;          ///< now
    std::size_t waiting = 0;             ///< callers, now
    std::size_t in_use_max = 0;
    std::size_t waiting_max = 0;
};

}  // namespace pgtally::db
