#include <pgtally/server/base/database_errors.hpp>

#include <algorithm>
#include <array>

namespace pgtally::server {

namespace {

// The classes of SQLSTATE (PostgreSQL's appendix A) that concern the server, the connection, the transaction or the SQL
// text, and not the data of the request. The other classes concern the data: data exceptions (22), constraints (23,
// 44), RAISE (P0), and states that the author of a trigger chose.
constexpr std::array<std::string_view, 20> not_of_the_data{"08", "0A", "25", "26", "28", "34", "3B", "3D", "3F", "40",
                                                           "42", "53", "54", "55", "57", "58", "72", "F0", "HV", "XX"};

}  // namespace

verdict judge(db::error_code const& what, db::sqlstate const& state) noexcept
{
    if (what == db::errc::bad_parameter) return verdict::refused;
    // Only an ERROR from PostgreSQL proves that the statement was rolled back. A FATAL (57P01) can follow the commit.
    if (what != db::errc::server_error) return verdict::unknown;
    // Row level security reports a row with the code of insufficient privilege.
    if (state.is("42501")) return verdict::refused;
    auto const in_class = [&](std::string_view prefix) { return state.in_class(prefix); };
    return std::any_of(not_of_the_data.begin(), not_of_the_data.end(), in_class) ? verdict::not_done : verdict::refused;
}

std::string_view advice_on_install(db::error const& e) noexcept
{
    if (e.state().is("42501") && e.code() == db::errc::server_error) {
        return "run it as the owner of the schema, or as a role that may create schemas here: grant create on database";
    }
    if (e.state().is("42704")) return "first create the role that --grant or --grant-create names";
    return db::remedy_of(e);
}

}  // namespace pgtally::server
