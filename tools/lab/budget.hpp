#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pgtally::lab {

/// The connections that a server allows. The limits of the role and the database are -1 if there is none.
struct connection_budget {
    std::int64_t max_connections = 0;
    std::int64_t reserved = 0;  ///< not available to the lab's role
    std::int64_t in_use = 0;    ///< includes the lab's own
    std::int64_t role_limit = -1;
    std::int64_t role_in_use = 0;
    std::int64_t database_limit = -1;
    std::int64_t database_in_use = 0;
};

/// The connections that an experiment needs.
struct connection_need {
    std::size_t workers = 0;        ///< at least one connection each
    char const* who = "workers";    ///< their name in messages
    char const* how = "--workers";  ///< the option that sets their number
    std::size_t others = 4;         ///< the lab's own besides the director's: a listener, or a replica with its loads
    bool may_shrink = false;        ///< `workers` is a default, not a request
};

/// Why the connections do not fit, and what to do about it; empty if they fit.
[[nodiscard]] std::string refusal(connection_budget const& budget, connection_need const& need);

/// How many workers fit: at most need.workers; 0 if none does.
[[nodiscard]] std::size_t fitting(connection_budget const& budget, connection_need const& need);

/// "92 workers instead of 100: the server's max_connections is 100, ..."
[[nodiscard]] std::string shrunk(connection_budget const& budget, connection_need const& need);

}  // namespace pgtally::lab
