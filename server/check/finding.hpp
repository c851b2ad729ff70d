#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// One result of `pgtally check`, with its remedy. Those of tallies come from the schema as they are.
struct finding {
    enum class severity {
        error,    // counters are not exact, or not live, or cannot become so; or it could not be looked at
        warning,  // counters are exact and live, but may not stay so
        note,     // a fact to know; the command succeeds
    };

    std::string_view check;  // the name of the check, a literal
    severity how_bad = severity::error;
    std::string tally{};    // empty: the finding concerns the database, or the server
    std::string kind{};     // a stable word, finer than `check`; empty: the same
    std::string subject{};  // the object that it is about: a table, a role, a setting; empty: the database
    std::string message{}, remedy{};
};

using findings = std::vector<finding>;

// Whether there are notes at most.
bool all_good(findings const& all) noexcept;

std::string_view kind_of(finding const& one) noexcept;

// "error", "warning" or "note".
std::string_view word_of(finding::severity how_bad) noexcept;

}  // namespace pgtally::server
