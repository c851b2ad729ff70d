#pragma once

#include <pgtally/cache/reason.hpp>

#include <string>
#include <string_view>

namespace pgtally {

// What is known when no heartbeat came back for three intervals.
struct heartbeat_signs {
    bool sent = false;                 // the database took at least one heartbeat
    bool pooled = false;               // another backend answered than the one that was connected to
    cache::reason trouble;             // why no heartbeat could be sent; empty if unknown
    std::string transport = "notify";  // by which heartbeats should have come back
};

// The likely cause that no heartbeat came back, and its remedy.
cache::reason why_deaf(heartbeat_signs const& signs);

// Whether an error of the database says that it takes no writes: it is a standby, or read only by default. `state` is
// the error's SQLSTATE.
bool is_read_only(std::string_view failure, std::string_view state) noexcept;

// Adds a remedy to an error of the database for which PostgreSQL names none: a standby accepts neither LISTEN nor
// NOTIFY. `state` is the error's SQLSTATE.
std::string with_remedy(std::string failure, std::string_view state);

}  // namespace pgtally
