#pragma once

// The outcome of an audit: a load beside the served table whose differences are reported. See replica_set::audit.

#include <pgtally/cache/drift.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally {

enum class audit_outcome {
    compared,  // the served counters were compared with the truth, and corrected where they differed
    running,   // another audit of this tally is under way
    unknown,   // there is no tally of this name
    not_live,  // the tally is not live, so there is nothing to compare
    lost,      // the tally stopped being live during the audit: its transport was lost, or a reload was requested
    changed,   // the tally was dropped, or its definition changed
    failed,    // the truth could not be read, or the barrier did not come back
    late,      // the caller's time has run out; the audit continues
    stopped,   // the set was stopped
};

struct audit_report {
    audit_outcome outcome = audit_outcome::failed;
    std::string why;  // why the audit could not compare, for people; empty if it could

    std::uint64_t keys = 0;             // compared keys: a counter is not 0 in the served table or in the truth
    std::uint64_t differed = 0;         // compared keys whose counters differed
    std::vector<cache::drift> drifted;  // the first `limits::max_reported_drift` of these
    std::vector<std::string> counters;  // the counters' names
    std::vector<std::string> reasons;   // why keys may have differed; empty if none did
};

}  // namespace pgtally
