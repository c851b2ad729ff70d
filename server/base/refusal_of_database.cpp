#include <pgtally/server/base/refusal_of_database.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace pgtally::server {

namespace {

// Classes that tell of the server, the connection, the transaction or the action's SQL, not of the data that came with
// it (PostgreSQL's appendix A). What remains are data exceptions (22), constraints (23, 44), RAISE (P0), and
// the states that a trigger's author made up.
constexpr std::array<std::string_view, 20> not_of_the_data{"08", "0A", "25", "26", "28", "34", "3B", "3D", "3F", "40",
                                                           "42", "53", "54", "55", "57", "58", "72", "F0", "HV", "XX"};

}  // namespace

verdict judge(db::error_code const& what, db::sqlstate const& state) noexcept
{
    if (what == db::errc::bad_parameter) return verdict::refused;
    // Only an ERROR that PostgreSQL sent says that the statement was rolled back. A FATAL (57P01) may come after the
    // commit.
    if (what != db::errc::server_error) return verdict::unknown;
    // Insufficient privilege is also what row level security says of a row.
    if (state.is("42501")) return verdict::refused;
    auto const in_class = [&](std::string_view prefix) { return state.in_class(prefix); };
    return std::any_of(not_of_the_data.begin(), not_of_the_data.end(), in_class) ? verdict::not_done : verdict::refused;
}

}  // namespace pgtally::server
