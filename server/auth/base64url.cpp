#include <pgtally/server/auth/base64url.hpp>

#include <cstdint>

namespace pgtally::server {

namespace {

// The six bits of a character; 64 if it is none of the alphabet.
std::uint32_t bits_of(char c) noexcept
{
    if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
    if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
    if (c == '-') return 62;
    return c == '_' ? 63 : 64;
}

}  // namespace

std::optional<std::string> base64url_decoded(std::string_view text)
{
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t held = 0;
    unsigned count = 0;  // of bits in `held`
    for (char const c : text) {
        auto const bits = bits_of(c);
        if (bits > 63) return std::nullopt;
        held = (held << 6U) | bits;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(held >> count);
        held &= (1U << count) - 1U;
    }
    if (held != 0) return std::nullopt;
    return out;
}

}  // namespace pgtally::server
