#pragma once

#include "chart.hpp"
#include "steps.hpp"
#include "table.hpp"

#include <boost/json/object.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// A table, and what it shows.
struct section {
    std::string title{};
    table data;
    std::vector<std::string> says{};  ///< paragraphs
    std::vector<chart> charts{};      ///< of the table's numbers, where they are drawn
    std::vector<step> steps{};        ///< what the table tells, if it is the walk of two sessions
};

/// What an experiment found.
struct report {
    std::string experiment{};
    boost::json::object settings{};  ///< what it was run with
    std::vector<section> sections{};
    std::string failure{};  ///< why there is not more; empty if it went well
};

/// Aligned text, paragraphs broken into lines of `width` characters at most.
void print_text(std::ostream& out, report const& found, std::size_t width = 100);

/// The same data as one object: `experiment`, `settings`, `tables` of `title`, `rows` and `says`; `failure`, if there
/// is one.
[[nodiscard]] boost::json::object to_json(report const& found);

/// The words of a text in lines of at most `width` bytes; a longer word has a line of its own.
[[nodiscard]] std::vector<std::string> wrap(std::string const& text, std::size_t width);

}  // namespace pgtally::lab
