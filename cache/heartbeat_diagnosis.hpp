#pragma once

#include <string>
#include <string_view>

namespace pgtally {

// What is known when no heartbeat came back for three intervals.
struct heartbeat_signs {
    bool sent = false;                 // the database took at least one of them
    bool pooled = false;               // another backend answered than the one that was connected to
    std::string trouble;               // why none could be sent; empty if unknown
    std::string transport = "notify";  // by which they should have come back
};

// The likely cause that no heartbeat came back, and its remedy.
std::string why_deaf(heartbeat_signs const& signs);

// Adds the remedy to a failure of the database where PostgreSQL names none: a standby takes neither LISTEN nor NOTIFY.
// `state` is the failure's SQLSTATE.
std::string with_remedy(std::string failure, std::string_view state);

}  // namespace pgtally
