#pragma once

#include <pgtally/db/config.hpp>

#include <string>

namespace pgtally::server {

// How every connection of the program is made: to `dsn`, with its log lines in ours.
db::config database_config(std::string const& dsn);

}  // namespace pgtally::server
