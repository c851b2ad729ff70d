#pragma once

#include "report.hpp"

#include <boost/json/object.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// One fact about the machine or the server.
struct fact {
    std::string key{};   ///< in JSON
    std::string name{};  ///< in text
    cell value{};
};

/// All experiments, and where they ran.
struct whole {
    std::string begun{};          ///< "2026-11-22 23:16 UTC"
    std::vector<fact> machine{};  ///< the machine of the lab
    std::vector<fact> server{};
    std::vector<report> reports{};

    /// True if at least one experiment failed.
    [[nodiscard]] bool failed() const;
};

void print_text(std::ostream& out, whole const& found);

/// `experiment` is "all"; also `begun`, `machine`, `server`, and `experiments` as to_json(report) returns them.
[[nodiscard]] boost::json::object to_json(whole const& found);

/// Writes one self-contained page, without scripts and without network access: tables, drawings, text, light or
/// dark as the system's preference is.
void write_html(std::ostream& out, whole const& found);

}  // namespace pgtally::lab
