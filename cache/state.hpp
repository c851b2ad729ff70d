#pragma once

#include <string_view>

namespace pgtally::cache {

// Whether a tally's counters follow the database.
enum class state {
    loading,  // the tally was never loaded: there are no counters
    live,     // the counters follow the database; barriers that come back prove it
    stale,    // the counters do not follow the database now; they keep their last values
    failed,   // the counters cannot follow the database, and waiting does not remove the cause
};

// The word of a state in every interface: "loading", "live", "stale", "failed".
constexpr std::string_view to_string(state value) noexcept
{
    switch (value) {
        case state::loading: return "loading";
        case state::live: return "live";
        case state::stale: return "stale";
        case state::failed: return "failed";
    }
    return "failed";
}

}  // namespace pgtally::cache
