#pragma once

#include <string>
#include <string_view>

namespace pgtally {

// What is known when no heartbeat came back for three intervals.
struct heartbeat_signs {
    bool sent = false;                 // the database took at least one heartbeat
    bool pooled = false;               // another backend answered than the one that was connected to
    std::string trouble;               // why no heartbeat could be sent; empty if unknown
    std::string transport = "notify";  // by which heartbeats should have come back
};

// The likely cause that no heartbeat came back, and its remedy.
std::string why_deaf(heartbeat_signs const& signs);

// Adds a remedy to an error of the database for which PostgreSQL names none: a standby accepts neither LISTEN nor
// NOTIFY. `state` is the error's SQLSTATE.
std::string with_remedy(std::string failure, std::string_view state);

}  // namespace pgtally
