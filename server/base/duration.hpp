#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace pgtally::server {

// Parses a time such as `250ms`, `5s`, `2m` or `1h`: digits and a unit, at most 1000 hours. Returns nothing if the text
// is not such a time.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept;

}  // namespace pgtally::server
