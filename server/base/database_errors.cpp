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

std::string_view advice(db::error_code const& what, db::sqlstate const& state) noexcept
{
    if (state.is("55P03") || state.is("40P01")) {
        return "a long transaction holds a lock: find it in pg_stat_activity, and try again after it ends";
    }
    if (state.is("42501")) {
        return "run it as the owner of the schema, or as a role that may create schemas here: grant create on database";
    }
    if (state.is("3D000")) return "name an existing database, by --dsn or PGDATABASE";
    if (state.is("42704")) return "first create the role that --grant or --grant-create names";
    if (state.in_class("28")) return "check user, password and pg_hba.conf";
    if (state.is("25006")) return "name the primary: this server is a standby, or read only";
    if (what == db::errc::bad_config) return "check --dsn, PGTALLY_DSN or DATABASE_URL";
    if (what == db::errc::connect_failed || what == db::errc::timed_out) {
        return "check host and port, and that PostgreSQL runs there";
    }
    return {};
}

}  // namespace pgtally::server
