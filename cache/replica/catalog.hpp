#pragma once

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace pgtally {

// The definitions in a database.
struct catalog {
    int schema_version = 0;
    std::vector<cache::definition> tallies;  // by name
};

// Reads the definitions.
// Errors: db::error; `schema_is_missing` tells whether the schema is not installed.
boost::asio::awaitable<catalog> read_catalog(db::connection& connection);

// Reads the fingerprint of one tally's definition; empty if there is no such tally.
// Errors: db::error.
boost::asio::awaitable<std::string> read_fingerprint(db::connection& connection, std::string name);

bool schema_is_missing(db::error const& e) noexcept;

}  // namespace pgtally
