#pragma once

#include <pgtally/cache/counter_table.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// JSON (RFC 8259), appended piece by piece.

// A string with its quotes. What is not UTF-8 is passed on as it is.
void append_json(std::string& out, std::string_view text);

// An integer, all digits of it.
void append_json(std::string& out, std::int64_t value);
void append_json(std::string& out, std::uint64_t value);
void append_json(std::string& out, cache::wide_sum value);

}  // namespace pgtally::server
