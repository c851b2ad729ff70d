#include <pgtally/server/base/duration.hpp>

#include <charconv>
#include <cstdint>

namespace pgtally::server {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept
{
    std::uint64_t count = 0;
    auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failure != std::errc{}) return std::nullopt;

    auto const unit = text.substr(static_cast<std::size_t>(end - text.data()));
    std::uint64_t unit_ms = 0;
    if (unit == "ms") unit_ms = 1;
    if (unit == "s") unit_ms = 1'000;
    if (unit == "m") unit_ms = 60'000;
    if (unit == "h") unit_ms = 3'600'000;
    if (unit_ms == 0) return std::nullopt;

    constexpr std::uint64_t most_ms = 1'000ULL * 3'600'000;
    if (count > most_ms / unit_ms) return std::nullopt;
    return std::chrono::milliseconds{static_cast<std::int64_t>(count * unit_ms)};
}

}  // namespace pgtally::server
