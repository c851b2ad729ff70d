#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/check/database_checks.hpp>
#include <pgtally/server/check/setting_place.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

// The connections of a server that serves at all: events, control, one load at a time.
constexpr std::size_t fewest_connections = 3;

// Those of one that does everything, but for one more for each materialized tally.
std::size_t most_connections()
{
    limits const all;
    return fewest_connections - 1 + replica_set::config{}.concurrent_loads + all.action_connections +
           all.bypass_connections;
}

// A finding about an object: the role, the database, or the server.
void add(examination& out, std::string_view kind, std::string subject, severity how_bad, std::string message,
         std::string remedy)
{
    out.found.push_back({.check = "limits",
                         .how_bad = how_bad,
                         .kind = std::string{kind},
                         .subject = std::move(subject),
                         .message = std::move(message),
                         .remedy = std::move(remedy)});
}

std::string needed()
{
    return "a server needs " + std::to_string(fewest_connections) + " connections at least, up to " +
           std::to_string(most_connections()) +
           " with --writable and ?source=database, and one for each materialized "
           "tally";
}

asio::awaitable<void> check_temporary_files(db::connection& connection, examination& out)
{
    using limit_row = std::tuple<std::string, bool>;
    auto const answer = co_await connection.query_as<limit_row>(
        "select current_setting('temp_file_limit'), current_setting('temp_file_limit') = '-1'");
    auto const [limit, unlimited] = answer.one();
    if (unlimited) co_return;
    auto const place = co_await place_of_setting(connection, "temp_file_limit");
    add(out, "temp_file_limit", place.whose, place.of_its_own ? severity::warning : severity::note,
        "temp_file_limit of " + place.whose + " is " + limit +
            ": a load whose keys need more temporary files fails (SQLSTATE 53400)",
        place.undo);
}

asio::awaitable<void> check_connections(db::connection& connection, examination& out)
{
    using limit_row = std::tuple<std::string, std::int32_t, std::string>;
    auto const rows = co_await connection.query_as<limit_row>(R"(
        select format('role %I', rolname), rolconnlimit, format('alter role %I connection limit ', rolname)
          from pg_roles where rolname = session_user and rolconnlimit >= 0 and not rolsuper
        union all
        select format('database %I', datname), datconnlimit, format('alter database %I connection limit ', datname)
          from pg_database
         where datname = current_database() and datconnlimit >= 0
           and not (select rolsuper from pg_roles where rolname = session_user))");
    for (auto const& [whose, limit, remedy] : rows) {
        if (static_cast<std::size_t>(limit) >= most_connections()) continue;
        add(out, "connection_limit", whose,
            static_cast<std::size_t>(limit) < fewest_connections ? severity::error : severity::warning,
            whose + " is limited to " + std::to_string(limit) + " connections: " + needed(),
            remedy + std::to_string(most_connections()));
    }
    // Those of servers count as free: one of them may be meant. The type of another role's session is hidden, so workers
    // in a database count as sessions. Before version 16 there are no reserved_connections.
    using free_row = std::tuple<std::int64_t, std::int32_t>;
    auto const answer = co_await connection.query_as<free_row>(R"(
        select m - s - coalesce(current_setting('reserved_connections', true)::integer, 0)
               - (select count(*) from pg_stat_activity
                   where datid is not null and application_name not like 'pgtally%'), m
          from (select current_setting('max_connections')::integer as m,
                       current_setting('superuser_reserved_connections')::integer as s) as settings)");
    auto const [left, most] = answer.one();
    auto const free = static_cast<std::size_t>(left < 0 ? 0 : left);
    out.saw("limits", std::to_string(free) + " of max_connections = " + std::to_string(most) + " are free");
    if (free >= most_connections()) co_return;
    add(out, "max_connections", "the server", free < fewest_connections ? severity::error : severity::warning,
        std::to_string(free) + " of max_connections = " + std::to_string(most) + " are free: " + needed(),
        "raise max_connections, or end sessions that are not needed: see pg_stat_activity");
}

asio::awaitable<void> check_password(db::connection& connection, examination& out)
{
    using role_row = std::tuple<std::string, std::string, bool>;
    auto const rows = co_await connection.query_as<role_row>(R"(
        select quote_ident(rolname), rolvaliduntil::text, rolvaliduntil < now()
          from pg_roles where rolname = session_user and rolvaliduntil < now() + interval '14 days')");
    for (auto const& [role, until, over] : rows) {
        add(out, "password_expires", "role " + role, severity::warning,
            "the password of role " + role + (over ? " was valid until " : " is valid until ") + until +
                ": PostgreSQL refuses it then, and what connects by it is away",
            "alter role " + role + " valid until 'infinity'");
    }
}

}  // namespace

asio::awaitable<void> check_limits(db::connection& connection, examination& out)
{
    co_await check_connections(connection, out);
    co_await check_temporary_files(connection, out);
    co_await check_password(connection, out);
}

void check_process(examination& out)
{
    limits const all;
    auto const most = raise_descriptor_limit();
    out.saw("process", std::to_string(most) + " file descriptors may be open");
    if (most == 0 || most >= all.max_clients + all.kept_descriptors) return;
    out.found.push_back({.check = "process",
                         .how_bad = finding::severity::note,
                         .kind = "descriptors",
                         .message = "at most " + std::to_string(most) +
                                    " file descriptors may be open, and each client of a server needs one; the default "
                                    "of --max-clients is " +
                                    std::to_string(all.max_clients),
                         .remedy = "if so many clients are to come: LimitNOFILE= in the unit, or ulimit -Hn"});
}

}  // namespace pgtally::server
