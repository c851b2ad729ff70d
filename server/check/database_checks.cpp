#include <pgtally/server/check/database_checks.hpp>
#include <pgtally/server/check/setting_place.hpp>
#include <pgtally/server/check/thresholds.hpp>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

void add(examination& out, std::string_view check, severity how_bad, std::string message, std::string remedy)
{
    out.found.push_back(
        {.check = check, .how_bad = how_bad, .message = std::move(message), .remedy = std::move(remedy)});
}

}  // namespace

asio::awaitable<void> check_server(db::connection& connection, examination& out)
{
    using server_row =
        std::tuple<std::int32_t, std::string, bool, std::int32_t, bool, std::string, std::string, std::string>;
    auto const answer = co_await connection.query_as<server_row>(
        "select current_setting('server_version_num')::integer / 10000, current_setting('server_encoding'), "
        "pg_is_in_recovery(), round(pg_notification_queue_usage() * 100)::integer, "
        // This session sets its own value: what the role and the database have is the value after a reset.
        "(select reset_val::boolean from pg_settings where name = 'default_transaction_read_only'), "
        "split_part(current_setting('server_version'), ' ', 1), current_database()::text, session_user::text");
    auto const [version, encoding, standby, percent, read_only, release, database, role] = answer.one();
    out.title = "database " + database + ", as role " + role;
    out.saw("server", "PostgreSQL " + release + ", encoding " + encoding + (standby ? ", a standby" : ", a primary"));
    if (version < 14 || version > 18) {
        add(out, "version", version < 14 ? severity::error : severity::warning,
            "this is PostgreSQL " + std::to_string(version), "use PostgreSQL 14 to 18");
    }
    if (encoding != "UTF8") {
        add(out, "encoding", severity::error, "the database's encoding is " + encoding,
            "use a database whose encoding is UTF8");
    }
    if (standby) {
        add(out, "standby", severity::error, "this server is a standby: NOTIFY is not possible",
            "name the primary in the DSN, or several hosts with target_session_attrs=read-write");
    } else if (read_only) {
        auto const place = co_await place_of_setting(connection, "default_transaction_read_only");
        add(out, "standby", severity::error, "transactions are read only by default, for " + place.whose, place.undo);
    }
    if (percent > thresholds::notification_queue.limit * 100) {
        add(out, "notification_queue", severity::warning,
            "the notification queue is " + std::to_string(percent) + " % full",
            "end the session that listens and stays in a transaction: see pg_stat_activity. If the queue is full, "
            "writers fail");
    }
}

asio::awaitable<void> check_senders(db::connection& connection, examination& out)
{
    using role_row = std::tuple<std::string, std::int64_t, std::string>;
    auto const roles = co_await connection.query_as<role_row>(R"(
        select rolname::text, count(*) over (), quote_ident(current_database())
          from pg_roles
         where rolcanlogin and not rolsuper and rolname <> current_user
           and has_database_privilege(oid, current_database(), 'connect')
         order by rolname limit 5)");
    out.saw("senders", roles.empty() ? "no other role may connect" : "");
    if (roles.empty()) co_return;
    std::string names, database;
    std::size_t count = 0;
    for (auto const& [name, all, in] : roles) {
        names += (names.empty() ? "" : ", ") + name;
        count = static_cast<std::size_t>(all);
        database = in;
    }
    if (count > roles.size()) names += ", …";
    add(out, "senders", severity::note,
        std::to_string(count) + (count == 1 ? " other role (" : " other roles (") + names +
            ") may connect to this database and can send events: a forged event shows wrong counters until the next "
            "audit",
        "revoke connect on database " + database +
            " from public, and grant it to the roles that need it; or audit often: pgtally serve --audit-every 1h");
}

}  // namespace pgtally::server
