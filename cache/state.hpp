#pragma once

#include <string_view>

namespace pgtally::cache {

// What the numbers of a tally are worth at this moment.
enum class state {
    loading,  // never loaded yet: there are no numbers
    live,     // follows the database: proven by events that come back
    stale,    // does not at this moment: the numbers are the last ones
    failed,   // cannot, with a reason that waiting does not cure
};

// The word for it in every interface: "loading", "live", "stale", "failed".
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
