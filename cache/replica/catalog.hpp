#pragma once

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace pgtally {

// What the database says of its tallies.
struct catalog {
    int schema_version = 0;
    std::vector<cache::definition> tallies;  // by name
};

// Reads it. Throws db::error; `schema_is_missing` says whether that means that the schema is not installed.
boost::asio::awaitable<catalog> read_catalog(db::connection& connection);

// What decides what the numbers of one tally mean, as in its definition; empty if there is no such tally.
boost::asio::awaitable<std::string> read_fingerprint(db::connection& connection, std::string name);

bool schema_is_missing(db::error const& e) noexcept;

}  // namespace pgtally
