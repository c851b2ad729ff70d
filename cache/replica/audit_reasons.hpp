#pragma once

// Why a tally's counters may have drifted from the truth, as far as it can be known afterwards.

#include <pgtally/cache/fence.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// What the database says when it is asked.
struct drift_evidence {
    bool asked = false;                 // it could be asked at all
    std::vector<std::string> problems;  // that it sees in the tally now, each with its remedy
    bool subscribed = false;            // logical replication applies rows to the source
    std::optional<cache::xid> forged;   // see cache::load_report
};

// Sentences, the surest first; never none.
std::vector<std::string> reasons_of(drift_evidence const& seen);

// Reads the first three. What the role may not read, or a schema does not have, is left as it is. `source` is the
// table's name as the definition has it.
boost::asio::awaitable<drift_evidence> read_drift_evidence(db::connection& connection, std::string tally,
                                                           std::string source);

}  // namespace pgtally
