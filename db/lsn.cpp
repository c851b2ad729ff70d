#include <pgtally/db/lsn.hpp>

#include <array>
#include <charconv>

namespace pgtally::db {
namespace {

constexpr int hexadecimal = 16;
constexpr int half_bits = 32;

void append_half(std::string& to, std::uint32_t half)
{
    std::array<char, 8> digits{};
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), half, hexadecimal).ptr;
    for (auto const* at = digits.data(); at != end; ++at) to += *at >= 'a' ? static_cast<char>(*at - 'a' + 'A') : *at;
}

std::optional<std::uint32_t> half_of(std::string_view digits) noexcept
{
    std::uint32_t half = 0;
    constexpr std::size_t most = 8;
    if (digits.size() > most) return std::nullopt;
    auto const* const end = digits.data() + digits.size();
    auto const read = std::from_chars(digits.data(), end, half, hexadecimal);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return half;
}

}  // namespace

std::string to_string(lsn position)
{
    auto const value = static_cast<std::uint64_t>(position);
    std::string text;
    append_half(text, static_cast<std::uint32_t>(value >> half_bits));
    text += '/';
    append_half(text, static_cast<std::uint32_t>(value));
    return text;
}

std::optional<lsn> parse_lsn(std::string_view text) noexcept
{
    auto const slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto const high = half_of(text.substr(0, slash));
    auto const low = half_of(text.substr(slash + 1));
    if (!high || !low) return std::nullopt;
    return lsn{std::uint64_t{*high} << half_bits | *low};
}

}  // namespace pgtally::db
