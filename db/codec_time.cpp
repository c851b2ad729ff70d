#include <pgtally/db/codec_time.hpp>

namespace pgtally::db::detail {
namespace {

// Converting a count between units needs more than 64 bits.
__extension__ typedef __int128 wide;

// The range of src/include/datatype/timestamp.h: from 4714-11-24 BC; the end is excluded.
constexpr std::int64_t infinity = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t minus_infinity = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t first_time = -211'813'488'000'000'000;
constexpr std::int64_t end_of_time = 9'223'371'331'200'000'000;
constexpr std::int64_t epoch_micros = 946'684'800'000'000;  // from 1970 to 2000-01-01
constexpr std::int64_t micros_per_second = 1'000'000;

constexpr std::int32_t infinite_date = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t minus_infinite_date = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t first_date = -2'451'545;
constexpr std::int64_t end_of_dates = 2'145'031'949;
constexpr std::int64_t epoch_days = 10'957;

wide floor_divide(wide value, wide by)
{
    auto const quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

// Rounds half to even, as std::chrono::round does.
wide round_divide(wide value, wide by)
{
    auto const down = floor_divide(value, by);
    auto const twice = 2 * (value - down * by);
    if (twice == by) return down % 2 == 0 ? down : down + 1;
    return twice < by ? down : down + 1;
}

// The least and greatest counts are reserved for the infinities.
std::int64_t narrow(wide value, time_unit unit, char const* what)
{
    if (value <= unit.min || value >= unit.max) throw_bad_result(what);
    return static_cast<std::int64_t>(value);
}

}  // namespace

void append_time(std::string& to, std::int64_t count, time_unit unit)
{
    wide value = 0;
    if (count == unit.max) {
        value = infinity;
    } else if (count == unit.min) {
        value = minus_infinity;
    } else {
        value = round_divide(wide(count) * unit.num * micros_per_second, unit.den) - epoch_micros;
        if (value < first_time || value >= end_of_time) throw_bad_parameter("is a time that PostgreSQL cannot hold");
    }
    append_integer(to, static_cast<std::uint64_t>(value), 8);
}

std::int64_t read_time(std::string_view bytes, time_unit unit)
{
    auto const micros = read_integer(bytes, 8);
    if (micros == infinity) return unit.max;
    if (micros == minus_infinity) return unit.min;
    auto const ticks = floor_divide((wide(micros) + epoch_micros) * unit.den, wide(unit.num) * micros_per_second);
    return narrow(ticks, unit, "the time is out of the range of the C++ type");
}

void append_date(std::string& to, std::int64_t days, time_unit unit)
{
    auto value = wide(days) - epoch_days;
    if (days == unit.max) value = infinite_date;
    else if (days == unit.min) value = minus_infinite_date;
    else if (value < first_date || value >= end_of_dates) throw_bad_parameter("is a date that PostgreSQL cannot hold");
    append_integer(to, static_cast<std::uint64_t>(value), 4);
}

std::int64_t read_date(std::string_view bytes, time_unit unit)
{
    auto const days = read_integer(bytes, 4);
    if (days == infinite_date) return unit.max;
    if (days == minus_infinite_date) return unit.min;
    return narrow(wide(days) + epoch_days, unit, "the date is out of the range of the C++ type");
}

void append_calendar_date(std::string& to, std::chrono::year_month_day value)
{
    if (!value.ok()) throw_bad_parameter("is not a calendar date");
    append_date(to, std::chrono::sys_days(value).time_since_epoch().count(), unit_of<std::chrono::days>());
}

std::chrono::year_month_day read_calendar_date(std::string_view bytes)
{
    using namespace std::chrono;
    auto const unit = unit_of<days>();
    auto const since_1970 = read_date(bytes, unit);
    if (since_1970 == unit.max || since_1970 == unit.min) throw_bad_result("the date is infinite");
    constexpr auto first = sys_days(year::min() / January / 1).time_since_epoch().count();
    constexpr auto last = sys_days(year::max() / December / 31).time_since_epoch().count();
    if (since_1970 < first || since_1970 > last) throw_bad_result("the date is out of the range of the C++ type");
    return sys_days(days(static_cast<days::rep>(since_1970)));
}

}  // namespace pgtally::db::detail
