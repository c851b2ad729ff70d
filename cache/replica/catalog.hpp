#pragma once

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
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

// What tells a definition from any other of its tally.
struct identity {
    std::uint64_t v = 0;  // 0 if the schema has no numbers
    std::string fingerprint;

    friend bool operator==(identity const&, identity const&) = default;
};

inline identity identity_of(cache::definition const& what)
{
    return {what.v, what.fingerprint};
}

// Reads the identity of one tally's definition; an empty one if there is no such tally.
// Errors: db::error.
boost::asio::awaitable<identity> read_identity(db::connection& connection, int schema_version, std::string name);

// The first version of the schema with numbers of definitions, looks and findings.
inline constexpr int schema_that_looks = 5;

bool schema_is_missing(db::error const& e) noexcept;

}  // namespace pgtally
