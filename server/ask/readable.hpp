#pragma once

#include <string>
#include <string_view>

namespace pgtally::server {

// A text for a terminal. Anybody can make a key: one that contains spaces, quotes, control characters or characters that
// change the direction of text is written as a JSON string, so that it neither moves the cursor nor looks like two.
std::string readable(std::string_view text);

// A text that a server sent for people: control characters are replaced, spaces stay.
std::string printable(std::string_view text);

// How many columns a text takes: its code points. Wide characters count as one.
std::size_t columns(std::string_view text) noexcept;

// The first `most` columns.
std::string_view first_columns(std::string_view text, std::size_t most) noexcept;

// A part of a path or query, percent-encoded (RFC 3986, section 2.1).
std::string percent_encoded(std::string_view text);

}  // namespace pgtally::server
