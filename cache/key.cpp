#include <pgtally/cache/key.hpp>

#include <charconv>
#include <limits>

namespace pgtally::cache {

namespace {

struct range {
    std::int64_t min, max;
};

constexpr range range_of(key_kind kind) noexcept
{
    switch (kind) {
        case key_kind::smallint:
            return {std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max()};
        case key_kind::integer:
            return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
        default: return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
    }
}

// The number that prints like `text`.
std::optional<std::int64_t> parse_canonical(std::string_view text) noexcept
{
    if (text == "0") return 0;
    bool const negative = text.starts_with('-');
    auto const digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || digits.front() == '0') return std::nullopt;
    std::int64_t number = 0;
    auto const* const last = text.data() + text.size();
    auto const [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
}

// The length in bytes of the UTF-8 sequence at the front of `text`; 0 if there is none.
std::size_t sequence_length(std::string_view text) noexcept
{
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    auto const continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
    unsigned char const first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!continues(1) || !continues(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
        if (first == 0xed && byte(1) >= 0xa0) return 0;  // surrogate
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!continues(1) || !continues(2) || !continues(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;   // overlong
        if (first == 0xf4 && byte(1) >= 0x90) return 0;  // beyond U+10FFFF
        return 4;
    }
    return 0;
}

}  // namespace

key_kind key_kind_of(std::string_view type) noexcept
{
    if (type == "bigint") return key_kind::bigint;
    if (type == "integer") return key_kind::integer;
    if (type == "smallint") return key_kind::smallint;
    return key_kind::text;
}

bool is_text(std::string_view text) noexcept
{
    while (!text.empty()) {
        auto const length = sequence_length(text);
        if (length == 0 || text.front() == '\0') return false;
        text.remove_prefix(length);
    }
    return true;
}

std::optional<key> parse_key(key_kind kind, std::string_view text) noexcept
{
    if (!is_number(kind)) {
        if (!is_text(text)) return std::nullopt;
        return key{text, 0};
    }
    auto const number = parse_canonical(text);
    auto const [min, max] = range_of(kind);
    if (!number || *number < min || *number > max) return std::nullopt;
    return key{text, *number};
}

}  // namespace pgtally::cache
