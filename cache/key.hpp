#pragma once

// Keys.
//
// A key is the text that PostgreSQL prints for a value. Where the key's type is an integer type, the text is canonical
// (`0|-?[1-9][0-9]*`, in the type's range), so that a key can be held as eight bytes and printed again without loss.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::cache {

enum class key_kind : std::uint8_t {
    text,      // any type that is not one of the following, by its text
    smallint,  // 16 bit
    integer,   // 32 bit
    bigint,    // 64 bit
};

constexpr bool is_number(key_kind kind) noexcept
{
    return kind != key_kind::text;
}

// The kind for a type's name as `format_type` prints it: "bigint", "text", "uuid", …
key_kind key_kind_of(std::string_view type) noexcept;

// The longest key that is counted, in bytes; a longer one is 0 for ever.
inline constexpr std::size_t max_key_bytes = 512;

// A key on its way into a table: `number` for the integer kinds, `text` for the others. It does not own its text.
struct key {
    std::string_view text;
    std::int64_t number = 0;
};

// The key that `text` is, or nothing if no value of that kind prints like it: for the integer kinds everything but the
// canonical text in range, for text a NUL or what is not UTF-8.
std::optional<key> parse_key(key_kind kind, std::string_view text) noexcept;

// Whether `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates) without a NUL.
bool is_text(std::string_view text) noexcept;

}  // namespace pgtally::cache
