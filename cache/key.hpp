#pragma once

// Keys.
//
// Model: a key is the text that PostgreSQL prints for a value. If the key's type is an integer type, the text is
// canonical (`0|-?[1-9][0-9]*`, in the type's range), so that eight bytes can store the key and print it again without
// loss.
//
// Errors: nothing here throws.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::cache {

enum class key_kind : std::uint8_t {
    text,      // any other type; the key is its text
    smallint,  // 16 bits
    integer,   // 32 bits
    bigint,    // 64 bits
};

constexpr bool is_number(key_kind kind) noexcept
{
    return kind != key_kind::text;
}

// The kind of a type, by its name as `format_type` prints it: "bigint", "text", "uuid", …
key_kind key_kind_of(std::string_view type) noexcept;

// The longest key that a tally counts, in bytes. The counters of a longer key are always 0.
inline constexpr std::size_t max_key_bytes = 512;

// A key to look up: `number` is used for the integer kinds, `text` for the others. It does not own its text.
struct key {
    std::string_view text;
    std::int64_t number = 0;
};

// Parses a key. Returns nothing if no value of that kind prints like `text`: an integer must be canonical and in range,
// any other key must be UTF-8 without a NUL.
std::optional<key> parse_key(key_kind kind, std::string_view text) noexcept;

// Whether `text` is UTF-8 (RFC 3629: no overlong forms, no surrogates) without a NUL.
bool is_text(std::string_view text) noexcept;

}  // namespace pgtally::cache
