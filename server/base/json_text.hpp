#pragma once

#include <pgtally/cache/counter_table.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// Writers of JSON (RFC 8259): each appends one value to `out`.

// A string, with its quotes. Bytes that are not UTF-8 are copied unchanged.
void append_json(std::string& out, std::string_view text);

// An integer, with all digits.
void append_json(std::string& out, std::int64_t value);
void append_json(std::string& out, std::uint64_t value);
void append_json(std::string& out, cache::wide_sum value);

}  // namespace pgtally::server
