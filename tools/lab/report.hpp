#pragma once

#include "chart.hpp"
#include "steps.hpp"
#include "table.hpp"

#include <boost/json/object.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// A table and its explanation.
struct section {
    std::string title{};
    table data;
    std::vector<std::string> says{};  ///< paragraphs
    std::vector<chart> charts{};      ///< of the table's numbers, for the HTML page
    std::vector<step> steps{};        ///< the same as the table, if it is a walk of two sessions
};

/// The result of an experiment.
struct report {
    std::string experiment{};
    boost::json::object settings{};  ///< the options of the run
    std::vector<section> sections{};
    std::string failure{};  ///< why it is incomplete; empty if it succeeded
};

/// Prints aligned text, with paragraphs in lines of at most `width` characters.
void print_text(std::ostream& out, report const& found, std::size_t width = 100);

/// The same data as one object: `experiment`, `settings`, `tables` with `title`, `rows` and `says`, and `failure`
/// if there is one.
[[nodiscard]] boost::json::object to_json(report const& found);

/// Breaks a text into lines of at most `width` bytes. A longer word gets its own line.
[[nodiscard]] std::vector<std::string> wrap(std::string const& text, std::size_t width);

}  // namespace pgtally::lab
