#pragma once

#include <pgtally/server/ask/answers.hpp>

#include <span>
#include <string>
#include <vector>

namespace pgtally::server {

// Counters as text for people and for programs that read lines.

// A header and a line for each row, in aligned columns, without line ends. `numbered`: the first column is the place.
std::vector<std::string> table_lines(counters_answer const& what, bool numbered);

// `33 rts=3 favs=1`.
std::string counters_line(std::vector<std::string> const& names, counters_row const& row);

// {"key":"33","counters":{"rts":3,"favs":1}}
std::string counters_object(std::vector<std::string> const& names, counters_row const& row);

}  // namespace pgtally::server
