#pragma once

#include <pgtally/server/ask/server_access.hpp>
#include <pgtally/server/base/limits.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

struct audit_options {
    std::string dsn;
    std::vector<std::string> tallies;     // empty: all
    std::chrono::milliseconds follow{};   // how long to follow events between the two loads
    std::optional<server_access> server;  // the admin address of a server that does the audit
    bool json = false;
    limits bounds;
};

// `pgtally audit`: prints the keys that differ from the truth. Returns the exit status: 0 if no key differs, 1 if some
// do, 3 if a tally could not be compared.
int audit(audit_options const& options);

}  // namespace pgtally::server
