#pragma once

#include <pgtally/db/pool.hpp>
#include <pgtally/server/base/limits.hpp>

#include <chrono>
#include <string>

namespace pgtally::server {

// What the server's pools have in common: statements bounded by the server and, should it not answer, by us; a database
// that cannot be reached is told at once.
db::pool_config pool_settings(db::config database, std::string application_name, std::chrono::milliseconds statement,
                              limits const& bounds);

}  // namespace pgtally::server
