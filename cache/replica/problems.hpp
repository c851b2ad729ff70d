#pragma once

// Problems that the database sees with its tallies (`tally.tallies.problems`), each with its remedy. With most of them
// a tally is still as exact as it can be. A tally that lost its source cannot be exact.

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// The problems of one tally.
struct tally_problems {
    std::string name;
    std::vector<std::string> all;
    std::optional<std::string> lost_source;  // one of `all`: the source was dropped, renamed, or replaced
};

// Reads the problems of all tallies. Version 2 of the schema reports a lost source by the text of a problem only.
// Errors: db::error.
boost::asio::awaitable<std::vector<tally_problems>> read_problems(db::connection& connection, int schema_version);

}  // namespace pgtally
