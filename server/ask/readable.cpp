#include <pgtally/server/ask/readable.hpp>

#include <array>
#include <cstdint>
#include <cstdio>

namespace pgtally::server {

namespace {

struct code_point {
    std::uint32_t value = 0;
    std::size_t bytes = 1;
};

// The code point at `at`; a byte that begins none is U+FFFD.
code_point decode(std::string_view text, std::size_t at) noexcept
{
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned const first = byte(at);
    if (first < 0x80) return {first, 1};
    std::size_t const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return {0xfffd, 1};
    std::uint32_t value = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xc0U) != 0x80) return {0xfffd, 1};
        value = (value << 6U) | (byte(at + i) & 0x3fU);
    }
    return {value, length};
}

bool is_harmful(std::uint32_t c) noexcept
{
    bool const control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool const moves = (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return control || moves || c == 0xfffd;
}

void append_escaped(std::string& out, std::uint32_t c)
{
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "\\u%04x", static_cast<unsigned>(c));
    out += text.data();
}

}  // namespace

std::string readable(std::string_view text)
{
    std::string out;
    bool quoted = text.empty();
    for (std::size_t at = 0; at < text.size();) {
        auto const c = decode(text, at);
        if (is_harmful(c.value)) {
            append_escaped(out, c.value);
            quoted = true;
        } else {
            if (c.value == '"' || c.value == '\\') out += '\\';
            quoted = quoted || c.value == '"' || c.value == ' ';
            out += text.substr(at, c.bytes);
        }
        at += c.bytes;
    }
    if (quoted) return '"' + out + '"';
    return std::string{text};
}

std::string printable(std::string_view text)
{
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        auto const c = decode(text, at);
        if (is_harmful(c.value)) out += '?';
        else out += text.substr(at, c.bytes);
        at += c.bytes;
    }
    return out;
}

std::size_t columns(std::string_view text) noexcept
{
    std::size_t out = 0;
    for (std::size_t at = 0; at < text.size(); at += decode(text, at).bytes) ++out;
    return out;
}

std::string_view first_columns(std::string_view text, std::size_t most) noexcept
{
    std::size_t at = 0;
    for (std::size_t n = 0; at < text.size() && n < most; ++n) at += decode(text, at).bytes;
    return text.substr(0, at);
}

std::string percent_encoded(std::string_view text)
{
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (char const c : text) {
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        if (plain) {
            out += c;
            continue;
        }
        auto const byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

}  // namespace pgtally::server
