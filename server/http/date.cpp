#include <pgtally/server/http/date.hpp>

#include <fmt/format.h>

#include <array>

namespace pgtally::server {

std::string http_date(std::time_t when)
{
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm at{};
    ::gmtime_r(&when, &at);
    auto const day = days[static_cast<std::size_t>(at.tm_wday)], month = months[static_cast<std::size_t>(at.tm_mon)];
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", day, at.tm_mday, month, at.tm_year + 1900,
                       at.tm_hour, at.tm_min, at.tm_sec);
}

std::string_view date_now()
{
    thread_local std::time_t written_at = -1;
    thread_local std::string written;
    auto const now = std::time(nullptr);
    if (now != written_at) {
        written = http_date(now);
        written_at = now;
    }
    return written;
}

}  // namespace pgtally::server
