#include <pgtally/server/check/amounts.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace pgtally::server {

std::string count_text(double number)
{
    return number == std::floor(number) || number >= 100 ? fmt::format("{:.0f}", number)
                                                         : fmt::format("{:.2g}", number);
}

std::string span_text(double seconds)
{
    if (seconds < 120) return count_text(seconds < 10 ? seconds : std::floor(seconds)) + " s";
    if (seconds < 2 * 3600) return fmt::format("{:.0f} min", seconds / 60);
    if (seconds < 2 * 86'400) return fmt::format("{:.0f} h", seconds / 3600);
    return fmt::format("{:.0f} days", seconds / 86'400);
}

std::string size_text(double bytes)
{
    constexpr std::array<std::string_view, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) bytes /= 1024;
    return fmt::format("{:.0f} {}", bytes, units[unit]);
}

std::string part_text(double used, double available)
{
    return count_text(used) + " of " + count_text(available);
}

}  // namespace pgtally::server
