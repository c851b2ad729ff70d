#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// One result of `pgtally check`, with its remedy.
struct finding {
    enum class severity {
        error,    // counters are not exact, or not live, or cannot become so
        warning,  // counters are exact and live, but may not stay so
        note,     // a fact to know; the command succeeds
    };

    std::string_view check;  // the name of the check, a literal
    severity how_bad = severity::error;
    std::string tally;  // empty: the finding concerns the database
    std::string message, remedy;
};

// Whether there are notes at most.
bool all_good(std::vector<finding> const& all) noexcept;

std::string text_of(std::vector<finding> const& all);
std::string json_of(std::vector<finding> const& all);

}  // namespace pgtally::server
