#pragma once

#include <pgtally/cache/replica/audit.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

// The result of `pgtally audit` for one tally.
struct tally_audit {
    std::string tally;  // empty: the result concerns all of them
    audit_report report;
};

using tally_audits = std::vector<tally_audit>;

// A result without a comparison, for the reason `why`. If `tally` is empty, it concerns all tallies.
tally_audit no_audit(std::string tally, std::string why);

// 1 if keys differ; else 3 if a tally could not be compared; else 0.
int exit_status(tally_audits const& all) noexcept;

// Text for people: `text_of` has the tallies that were compared, `failures_of` the others.
std::string text_of(tally_audits const& all);
std::string failures_of(tally_audits const& all);

std::string json_of(tally_audits const& all);

}  // namespace pgtally::server
