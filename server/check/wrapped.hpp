#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgtally::server {

// The text in lines of at most `width` columns, broken at spaces. The first line begins at column `first`; the others begin
// with `rest` spaces. A word that is too long stays whole. Width 0: one line.
std::string wrapped(std::string_view text, std::size_t first, std::size_t rest, std::size_t width);

// Whether a remedy is a statement of SQL or a command to copy.
bool is_statement(std::string_view text) noexcept;

}  // namespace pgtally::server
