#pragma once

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <vector>

namespace pgtally {

// What the database says of its tallies.
struct catalog {
    int schema_version = 0;
    std::vector<cache::definition> tallies;  // by name
};

// Reads it. Throws db::error; `schema_is_missing` says whether that means that the schema is not installed.
boost::asio::awaitable<catalog> read_catalog(db::connection& connection);

bool schema_is_missing(db::error const& e) noexcept;

}  // namespace pgtally
