#pragma once

#include <cstddef>

namespace pgtally::cache {

// Every bound of the core, in one place. Each has a test that meets it.
struct limits {
    // Keys that a tally may hold, zeros that are still remembered included. More makes the tally fail.
    std::size_t max_keys = 100'000'000;

    // Bytes of events kept from the beginning of a load until its fence is known. More abandons the load.
    std::size_t max_kept_bytes = 64U << 20;

    // Keys in one message of a snapshot or change. More of a change becomes a snapshot, more of a snapshot comes in
    // parts.
    std::size_t max_keys_in_message = 10'000;

    // Keys that a subscription by name may track.
    std::size_t max_tracked_keys = 10'000;

    // Keys of a load's difference that are told one by one; of the others, how many they are.
    std::size_t max_reported_drift = 1'000;

    // Rows of a live tally that are compared with a load in one turn of the loop.
    std::size_t max_rows_compared = 10'000;

    // Keys that fell to 0 are remembered, for `since`, until there are more than this many and more than half as many
    // as keys that are not 0; then the older half of them is forgotten.
    std::size_t min_remembered_zeros = 10'000;
};

}  // namespace pgtally::cache
