#pragma once

#include <string>
#include <string_view>

namespace pgtally {

// What is known when no heartbeat came back for three intervals.
struct heartbeat_signs {
    bool sent = false;    // the database took at least one of them
    bool pooled = false;  // another backend answered than the one that was connected to
    std::string trouble;  // why none could be sent, if that is known
};

// Why none came back, as far as the signs tell, and what to do.
std::string why_deaf(heartbeat_signs const& signs);

// A failure of the database's, with what to do about it where PostgreSQL does not say: a standby takes neither LISTEN
// nor NOTIFY. `state` is its SQLSTATE.
std::string with_remedy(std::string failure, std::string_view state);

}  // namespace pgtally
