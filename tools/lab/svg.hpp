#pragma once

#include "chart.hpp"
#include "steps.hpp"

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::lab {

/// Escapes text for HTML and SVG, for content and attributes: & < > " ' become entities, control characters that
/// HTML forbids become U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);

/// Drawings for an HTML page. The page sets the colours of the classes `series0` to `series2`, `waits`,
/// `refused`, `grid`. All text is escaped.
void write_svg(std::ostream& out, chart const& of);

/// Two lanes: what each session did, and where it waited.
void write_svg(std::ostream& out, std::vector<step> const& steps);

}  // namespace pgtally::lab
