#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pgtally::lab {

/// What a server lets in. Limits of a role or database are -1 where there is none.
struct connection_budget {
    std::int64_t max_connections = 0;
    std::int64_t reserved = 0;  ///< for superusers and the like, not for us
    std::int64_t in_use = 0;    ///< one of them is ours
    std::int64_t role_limit = -1;
    std::int64_t role_in_use = 0;
    std::int64_t database_limit = -1;
    std::int64_t database_in_use = 0;
};

/// What an experiment needs of it.
struct connection_need {
    std::size_t workers = 0;        ///< as the command line asks for
    char const* who = "workers";    ///< what they are called
    char const* how = "--workers";  ///< how they are asked for
    std::size_t others = 4;         ///< the lab's own beside the director's: a listener, or a replica with its loads
};

/// Why so many connections more would not get in, and what to do; empty if they do, as things are.
[[nodiscard]] std::string refusal(connection_budget const& budget, connection_need const& need);

}  // namespace pgtally::lab
