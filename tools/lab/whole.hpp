#pragma once

#include "report.hpp"

#include <boost/json/object.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// A line of what it ran on.
struct fact {
    std::string key{};   ///< in JSON
    std::string name{};  ///< for people
    cell value{};
};

/// All experiments, and what they ran on.
struct whole {
    std::string begun{};          ///< "2026-11-22 23:16 UTC"
    std::vector<fact> machine{};  ///< the one that the lab runs on
    std::vector<fact> server{};
    std::vector<report> reports{};

    /// An experiment, or more, did not come to its end.
    [[nodiscard]] bool failed() const;
};

void print_text(std::ostream& out, whole const& found);

/// `experiment` is "all"; `begun`, `machine`, `server`, and `experiments` as to_json(report) has them.
[[nodiscard]] boost::json::object to_json(whole const& found);

/// One page that needs nothing else: no script, no address that a browser would ask. Tables, drawings, text; in the
/// colours that the reader's system prefers, light or dark.
void write_html(std::ostream& out, whole const& found);

}  // namespace pgtally::lab
