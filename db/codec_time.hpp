#pragma once

#include <pgtally/db/codec.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace pgtally::db {
namespace detail {

/// The length of a unit of time in seconds, and the range of counts that the C++ type holds.
struct time_unit {
    std::int64_t num;
    std::int64_t den;
    std::int64_t min;
    std::int64_t max;
};

/// Converts a count since 1970 into PostgreSQL's microseconds since 2000, rounded to the nearest; the least and
/// greatest counts become -infinity and infinity.
void append_time(std::string& to, std::int64_t count, time_unit unit);
/// Converts PostgreSQL's microseconds into a count since 1970, rounded down.
std::int64_t read_time(std::string_view bytes, time_unit unit);

/// `days` are counted since 1970.
void append_date(std::string& to, std::int64_t days, time_unit unit);
std::int64_t read_date(std::string_view bytes, time_unit unit);

void append_calendar_date(std::string& to, std::chrono::year_month_day value);
std::chrono::year_month_day read_calendar_date(std::string_view bytes);

template <class Duration>
constexpr time_unit unit_of() noexcept
{
    using rep = typename Duration::rep;
    using period = typename Duration::period;
    static_assert(std::signed_integral<rep>,
                  "a time_point needs an integer representation: PostgreSQL counts microseconds");
    static_assert(period::num <= 1'000'000'000 && period::den <= 1'000'000'000'000,
                  "a time_point needs a period between picoseconds and decades");
    return {period::num, period::den, std::numeric_limits<rep>::min(), std::numeric_limits<rep>::max()};
}

template <class Clock, class Duration, std::uint32_t Type>
struct time_codec {
    using time = std::chrono::time_point<Clock, Duration>;
    static constexpr std::uint32_t type = Type;
    static constexpr bool typed = true;
    static std::string name() { return oids::type_name(Type); }
    static void encode(std::string& to, time value)
    {
        append_time(to, value.time_since_epoch().count(), unit_of<Duration>());
    }
    static bool takes(std::uint32_t from) noexcept { return from == Type; }
    static time decode(std::uint32_t, std::string_view bytes)
    {
        using rep = typename Duration::rep;
        return time(Duration(static_cast<rep>(read_time(bytes, unit_of<Duration>()))));
    }
};

template <class Clock>
struct date_codec {
    using days = std::chrono::days;
    using date = std::chrono::time_point<Clock, days>;
    static constexpr std::uint32_t type = oids::date;
    static constexpr bool typed = true;
    static std::string name() { return "date"; }
    static void encode(std::string& to, date value)
    {
        append_date(to, value.time_since_epoch().count(), unit_of<days>());
    }
    static bool takes(std::uint32_t from) noexcept { return from == oids::date; }
    static date decode(std::uint32_t, std::string_view bytes)
    {
        return date(days(static_cast<days::rep>(read_date(bytes, unit_of<days>()))));
    }
};

}  // namespace detail

template <class Duration>
struct codec<std::chrono::time_point<std::chrono::system_clock, Duration>>
    : detail::time_codec<std::chrono::system_clock, Duration, oids::timestamptz> {};

template <class Duration>
struct codec<std::chrono::time_point<std::chrono::local_t, Duration>>
    : detail::time_codec<std::chrono::local_t, Duration, oids::timestamp> {};

template <>
struct codec<std::chrono::sys_days> : detail::date_codec<std::chrono::system_clock> {};

template <>
struct codec<std::chrono::local_days> : detail::date_codec<std::chrono::local_t> {};

template <>
struct codec<std::chrono::year_month_day> {
    static constexpr std::uint32_t type = oids::date;
    static constexpr bool typed = true;
    static std::string name() { return "date"; }
    static void encode(std::string& to, std::chrono::year_month_day value) { detail::append_calendar_date(to, value); }
    static bool takes(std::uint32_t from) noexcept { return from == oids::date; }
    static std::chrono::year_month_day decode(std::uint32_t, std::string_view bytes)
    {
        return detail::read_calendar_date(bytes);
    }
};

}  // namespace pgtally::db
