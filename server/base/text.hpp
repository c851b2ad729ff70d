#pragma once

#include <string_view>

namespace pgtally::server {

// A text without the spaces and tabs at its ends: the optional whitespace of HTTP's fields (RFC 9110, 5.6.3).
inline std::string_view trimmed(std::string_view text) noexcept
{
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes what is before a separator, or all if there is none, and the separator.
inline std::string_view take_piece(std::string_view& from, char separator) noexcept
{
    auto const end = from.find(separator);
    auto const out = from.substr(0, end);
    from.remove_prefix(end == std::string_view::npos ? from.size() : end + 1);
    return out;
}

}  // namespace pgtally::server
