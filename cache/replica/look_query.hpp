#pragma once

// The queries of a look. `look.hpp` decides what their answers mean.

#include <pgtally/cache/look.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// The findings of one tally.
struct found_in_tally {
    std::string name;
    findings all;
    bool may_repair = false;  // the role may call `tally.reload`
};

// The functions throw db::error.

// One cheap query for all tallies, or for one.
boost::asio::awaitable<std::vector<looked_tally>> read_look(db::connection& connection,
                                                            std::optional<std::string> only = std::nullopt);

boost::asio::awaitable<found_in_tally> read_findings(db::connection& connection, std::string name);

// The findings of all tallies that have one.
boost::asio::awaitable<std::vector<found_in_tally>> read_all_findings(db::connection& connection);

// The same of a schema that does not look: texts, one of which may say that the tally lost its source.
boost::asio::awaitable<std::vector<found_in_tally>> read_problems(db::connection& connection);

}  // namespace pgtally
