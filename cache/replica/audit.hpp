#pragma once

// What comes out of an audit: a load beside the served table whose difference is reported. See replica_set::audit.

#include <pgtally/cache/drift.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally {

enum class audit_outcome {
    compared,  // what was served was compared with the truth, and what differed is mended
    running,   // another one of this tally is under way
    unknown,   // there is no tally of this name
    not_live,  // the tally does not follow the database, so that there is nothing to compare
    lost,      // it did, but not to the audit's end: the transport was lost, or a reload was asked for
    changed,   // the tally was dropped, or its definition changed
    failed,    // the truth could not be read, or the barrier did not come back
    late,      // not done in the time that the caller had; it goes on
    stopped,   // by the end of the set
};

struct audit_report {
    audit_outcome outcome = audit_outcome::failed;
    std::string why;  // it could not compare; a sentence for people

    std::uint64_t keys = 0;             // compared: those that are not all 0 in what was served or in the truth
    std::uint64_t differed = 0;         // of them
    std::vector<cache::drift> drifted;  // the first `limits::max_reported_drift` of these
    std::vector<std::string> counters;  // their names
    std::vector<std::string> reasons;   // why they may have differed; empty if none did
};

}  // namespace pgtally
