#pragma once

#include <pgtally/db/error.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pgtally::server {

// Runs an SQL script as one transaction, again after a pause if it could not get a lock: up to five times. True if it
// was done. If not, stderr says what failed, why, and what to do.
bool run_script(std::string const& dsn, std::string script, std::string_view command);

// What to do about an error, a sentence; empty if nobody knows.
std::string_view advice(db::error_code const& what, db::sqlstate const& state) noexcept;

}  // namespace pgtally::server
