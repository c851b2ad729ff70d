#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace pgtally::server {

// A time as options write it: digits and a unit, `250ms`, `5s`, `2m`, `1h`; at most 1000 hours. Nothing if it is none.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept;

}  // namespace pgtally::server
