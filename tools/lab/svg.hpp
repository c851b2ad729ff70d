#pragma once

#include "chart.hpp"
#include "steps.hpp"

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::lab {

/// For text and attributes of HTML and SVG: & < > " ' are written as entities, control characters that HTML has no
/// place for as U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);

/// Drawings, to stand in an HTML page. Colours are the page's, by the classes `series0` to `series2`, `waits`,
/// `refused`, `grid`. All text is escaped.
void write_svg(std::ostream& out, chart const& of);

/// Two lanes: what each session was at, and where it waited.
void write_svg(std::ostream& out, std::vector<step> const& steps);

}  // namespace pgtally::lab
