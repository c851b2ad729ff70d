#pragma once

// What the database itself says keeps tallies from being exact: `tally.tallies.problems`, each with a remedy. Most of
// them leave a tally as right as it can be; without its source it can only be wrong.

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
    std::optional<std::string> lost_source;  // that one of them: dropped, renamed, or replaced by a namesake
};

// Reads those of all tallies. Throws db::error. Version 2 of the schema tells of a lost source by a problem's text
// only.
boost::asio::awaitable<std::vector<tally_problems>> read_problems(db::connection& connection, int schema_version);

}  // namespace pgtally
