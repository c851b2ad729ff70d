#pragma once

#include <pgtally/server/check/examination.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace pgtally::server {

// The findings of `pgtally check`, arranged as a letter: group by group, with what is well, and a summary.

using examinations = std::vector<examination>;

// A group, and what was found in it. The findings are those of the examination, which outlives it.
struct letter_group {
    looked_at what{};
    std::vector<std::string_view> aspects{};  // that were looked at; empty if it was skipped
    std::vector<finding const*> found{};
    std::size_t passed = 0;  // of the aspects
};

// All groups of an examination. A finding of a group, or of a tally, that was not named there makes one
// at the end.
std::vector<letter_group> groups_of(examination const& all);

struct letter_counts {
    std::size_t faults = 0, warnings = 0, notes = 0, passed = 0, skipped = 0;
};
letter_counts count(examinations const& all);

struct letter_style {
    std::size_t width = 0;  // lines are wrapped there, but for statements; 0: never
    bool colours = false;   // by ANSI sequences (ECMA-48, SGR)
};

// The style for stdout. `term` and `no_color` are the variables TERM and NO_COLOR (no-color.org), or empty.
letter_style style_for(bool terminal, std::size_t columns, std::string_view term, std::string_view no_color) noexcept;

// Whether a terminal understands the sequences of ECMA-48, as far as its variable TERM tells.
bool understands_sequences(std::string_view term) noexcept;

std::string text_of(examinations const& all, letter_style how);

// Whether there are notes at most, in all of them.
bool all_good(examinations const& all) noexcept;

std::string json_of(examinations const& all);

}  // namespace pgtally::server
