#pragma once

// Problems that the database sees with its tallies (`tally.tallies.problems`), each with its remedy. Despite most of
// them a tally is as right as it can be. A tally without its source can only be wrong.

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// Of one tally.
struct tally_problems {
    std::string name;
    std::vector<std::string> all;
    std::optional<std::string> lost_source;  // one of them: the source was dropped, renamed, or replaced by a namesake
};

// Reads the problems of all tallies. Version 2 of the schema reports a lost source by the text of a problem only.
// Errors: db::error.
boost::asio::awaitable<std::vector<tally_problems>> read_problems(db::connection& connection, int schema_version);

}  // namespace pgtally
