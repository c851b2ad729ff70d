#include <pgtally/server/ws/utf8_check.hpp>

#include <cstring>

namespace pgtally::server {

bool utf8_check::take(std::string_view piece) noexcept
{
    auto const* at = piece.data();
    auto const* const end = at + piece.size();
    while (at != end) {
        if (missing_ == 0) {
            // Most texts are ASCII: eight bytes at a time.
            std::uint64_t eight = 0;
            while (end - at >= 8 && (std::memcpy(&eight, at, 8), (eight & 0x8080808080808080U) == 0)) at += 8;
            if (at == end) break;
            if (!begin(static_cast<std::uint8_t>(*at++))) return false;
            continue;
        }
        auto const byte = static_cast<std::uint8_t>(*at++);
        if (byte < least_ || byte > most_) return false;
        --missing_;
        least_ = 0x80;
        most_ = 0xbf;
    }
    return true;
}

// The first byte of a character. Some allow only a part of the second bytes: RFC 3629, 4.
bool utf8_check::begin(std::uint8_t byte) noexcept
{
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    least_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    most_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
}

}  // namespace pgtally::server
