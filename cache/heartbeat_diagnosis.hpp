#pragma once

#include <pgtally/cache/reason.hpp>

#include <string>

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

}  // namespace pgtally
