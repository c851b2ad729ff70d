#pragma once

// Why a tally's counters may have drifted from the truth, as far as the database can tell afterwards.

#include <pgtally/cache/fence.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// What the database knows, and what the load found.
struct drift_evidence {
    bool asked = false;                 // the database answered
    std::vector<std::string> problems;  // the tally's present problems, each with its remedy
    bool subscribed = false;            // logical replication applies rows to the source
    std::optional<cache::xid> forged;   // see cache::load_report
};

// Returns at least one sentence, the most certain first.
std::vector<std::string> reasons_of(drift_evidence const& seen);

// Reads the first three fields. A field that the role may not read, or that the schema does not have, keeps its
// default. `source` is the table's name as the definition has it.
boost::asio::awaitable<drift_evidence> read_drift_evidence(db::connection& connection, std::string tally,
                                                           std::string source);

}  // namespace pgtally
