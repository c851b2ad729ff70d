#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// Something that `pgtally check` found, and what to do about it.
struct finding {
    enum class severity {
        error,    // counters are not exact or not live, or cannot be
        warning,  // they are, but will not stay so
        note,     // they are, and will be: something to know, which is no reason to fail
    };

    std::string_view check;  // which one found it
    severity how_bad = severity::error;
    std::string tally;  // empty: it is about the database
    std::string message, remedy;
};

// Whether there is nothing to mend: at most notes.
bool all_good(std::vector<finding> const& all) noexcept;

std::string text_of(std::vector<finding> const& all);
std::string json_of(std::vector<finding> const& all);

}  // namespace pgtally::server
