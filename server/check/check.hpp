#pragma once

#include <pgtally/server/ask/server_access.hpp>

#include <optional>
#include <string>

namespace pgtally::server {

struct check_options {
    std::string dsn;
    bool database = true;                 // look at the database
    std::optional<server_access> server;  // look at this server, which runs
    bool json = false;
};

// `pgtally check`: prints what keeps counters from being exact or live, each finding with its remedy. Returns the exit
// status: 0 if there are notes at most, else 1.
int check(check_options const& options);

}  // namespace pgtally::server
