#pragma once

#include <pgtally/cache/replica/audit.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

// What `pgtally audit` found out about a tally.
struct tally_audit {
    std::string tally;  // empty: none could be audited
    audit_report report;
};

using tally_audits = std::vector<tally_audit>;

// Why nothing can be compared, or this tally cannot.
tally_audit no_audit(std::string tally, std::string why);

// 0: every tally was compared and no key differs; 1: keys differ, whatever else; 3: one could not be compared.
int exit_status(tally_audits const& all) noexcept;

// For people: what was compared to `text_of`, what could not be to `failures_of`.
std::string text_of(tally_audits const& all);
std::string failures_of(tally_audits const& all);

std::string json_of(tally_audits const& all);

}  // namespace pgtally::server
