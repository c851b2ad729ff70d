#pragma once

#include <chrono>
#include <cstddef>

namespace pgtally::cache {

// Every limit of the core. Each has a test that reaches it.
struct limits {
    // The most rows of a tally, those included whose counters fell to 0 and are still remembered. If there are more, the
    // tally fails.
    std::size_t max_keys = 100'000'000;

    // The most bytes of events that are kept from the beginning of a load until its fence is known. If there are more,
    // the load is abandoned.
    std::size_t max_kept_bytes = 64U << 20;

    // The most bytes of the message of a `broken` event that become the reason of a state; the rest is cut off.
    std::size_t max_broken_bytes = 1'000;

    // The most keys in one message. A change with more becomes a snapshot; a snapshot with more comes in parts.
    std::size_t max_keys_in_message = 10'000;

    // The most keys that a subscription may name.
    std::size_t max_tracked_keys = 10'000;

    // How long a subscription waits for a client's point that this server has not reached yet.
    std::chrono::milliseconds since_patience{5'000};

    // The most keys of a load's difference that are reported one by one; the others are only counted.
    std::size_t max_reported_drift = 1'000;

    // The most rows of a live tally that are compared with a load in one turn of the event loop.
    std::size_t max_rows_compared = 10'000;

    // The most rows of a tally that are put into rankings in one turn of the event loop.
    std::size_t max_rows_ranked = 5'000;

    // The most ranks that subscriptions follow of which one turn finds out whether they changed; the next turns go on.
    std::size_t max_ranks_settled = 1'000;

    // How long a ranking is kept after the last question about it.
    std::chrono::milliseconds ranking_kept{5 * 60'000};

    // Rows whose counters fell to 0 are remembered for `since`. If there are more than this many, and more than half as
    // many as other rows, the older half of them is removed.
    std::size_t min_remembered_zeros = 10'000;
};

}  // namespace pgtally::cache
