#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgtally::server {

// A number of bytes, as options write it: `1048576`, `512KiB`, `64MiB`, `1GiB`. Nothing if it is anything else, or 2^63
// or more.
std::optional<std::uint64_t> parse_byte_size(std::string_view text) noexcept;

}  // namespace pgtally::server
