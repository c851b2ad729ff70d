#include <pgtally/server/check/amounts.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace pgtally::server {

namespace {

std::string formatted(char const* format, double number)
{
    std::array<char, 64> out{};
    std::snprintf(out.data(), out.size(), format, number);
    return out.data();
}

}  // namespace

std::string count_text(double number)
{
    bool const whole = number == std::floor(number) || number >= 100;
    // A figure of more digits is none that a server has.
    if (std::abs(number) >= 1e18) return formatted("%.3g", number);
    return formatted(whole ? "%.0f" : "%.2g", number);
}

std::string span_text(double seconds)
{
    if (seconds < 120) return count_text(seconds < 10 ? seconds : std::floor(seconds)) + " s";
    if (seconds < 2 * 3600) return count_text(std::round(seconds / 60)) + " min";
    if (seconds < 2 * 86'400) return count_text(std::round(seconds / 3600)) + " h";
    return count_text(std::round(seconds / 86'400)) + " days";
}

std::string size_text(double bytes)
{
    constexpr std::array<std::string_view, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) bytes /= 1024;
    return count_text(std::round(bytes)) + ' ' + std::string{units[unit]};
}

std::string part_text(double used, double available)
{
    return count_text(used) + " of " + count_text(available);
}

}  // namespace pgtally::server
