#pragma once

#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/pool.hpp>
#include <pgtally/server/base/limits.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace pgtally::server {

// The configuration of a connection to `dsn`, which writes its log lines to the log of the program. Every connection
// starts from it; session_config() adds the settings of the kind of session.
db::config database_config(std::string const& dsn);

// A pool of sessions of that kind. PostgreSQL cancels a statement after `statement`; if PostgreSQL does not answer, the
// client closes the connection. If the database cannot be reached, callers fail at once.
db::pool_config pool_settings(session_kind kind, db::config database, std::chrono::milliseconds statement,
                              limits const& bounds);

// What a session of an action sets for itself, as pool_settings() makes it.
std::vector<session_setting> action_settings(db::config const& database, limits const& bounds);

}  // namespace pgtally::server
