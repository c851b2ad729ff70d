#include <pgtally/server/base/version.hpp>
#include <pgtally/server/check/database_checks.hpp>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

constexpr char const* grant_remedy = "run pgtally install --grant with this role's name, as the schema's owner";

void add(findings& out, std::string_view check, severity how_bad, std::string message, std::string remedy)
{
    out.push_back(
        {.check = check, .how_bad = how_bad, .tally = {}, .message = std::move(message), .remedy = std::move(remedy)});
}

}  // namespace

asio::awaitable<void> check_server(db::connection& connection, findings& out)
{
    using server_row = std::tuple<std::int32_t, std::string, bool, std::int32_t, bool>;
    auto const answer = co_await connection.query_as<server_row>(
        "select current_setting('server_version_num')::integer / 10000, current_setting('server_encoding'), "
        "pg_is_in_recovery(), round(pg_notification_queue_usage() * 100)::integer, "
        // This session sets its own value: what the role and the database have is the value after a reset.
        "(select reset_val::boolean from pg_settings where name = 'default_transaction_read_only')");
    auto const [version, encoding, standby, percent, read_only] = answer.one();
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
        add(out, "standby", severity::error, "transactions are read only by default",
            "alter role … reset default_transaction_read_only");
    }
    if (percent > 50) {
        add(out, "notification_queue", severity::warning,
            "the notification queue is " + std::to_string(percent) + " % full",
            "end the session that listens and stays in a transaction: see pg_stat_activity. If the queue is full, "
            "writers fail");
    }
}

asio::awaitable<std::optional<int>> check_schema(db::connection& connection, findings& out)
{
    using two_facts = std::tuple<bool, bool>;
    auto const schema = co_await connection.query_as<two_facts>(
        "select n is not null, coalesce(has_schema_privilege(n, 'usage'), false) from to_regnamespace('tally') as n");
    auto const [exists, may_use] = schema.one();
    if (!exists) {
        add(out, "schema", severity::error, "the schema \"tally\" is not installed", "run pgtally install");
        co_return std::nullopt;
    }
    if (!may_use) {
        add(out, "rights", severity::error, "this role has no USAGE right on schema tally", grant_remedy);
        co_return std::nullopt;
    }
    auto const function = co_await connection.query_as<two_facts>(
        "select f is not null, coalesce(has_function_privilege(f, 'execute'), false) from "
        "to_regprocedure('tally.version()') as f");
    auto const [ours, may_execute] = function.one();
    if (!ours) {
        add(out, "schema", severity::error, "there is a schema \"tally\", but it is not pgtally's",
            "rename that schema, or use another database");
        co_return std::nullopt;
    }
    if (!may_execute) {
        add(out, "rights", severity::error, "this role has no right to execute on tally.version()", grant_remedy);
        co_return std::nullopt;
    }
    auto const version = co_await connection.query_as<std::int32_t>("select tally.version()::integer");
    auto const found = version.one();
    if (found != schema_version()) {
        add(out, "schema", severity::warning,
            "the schema has version " + std::to_string(found) + ", this program belongs to version " +
                std::to_string(schema_version()),
            found < schema_version() ? "upgrade the schema: run pgtally install" : "use a newer pgtally");
    }
    co_return found;
}

asio::awaitable<void> check_rights(db::connection& connection, int schema, findings& out)
{
    std::vector<std::string> functions{"tally.truth(text)", "tally.lock_source(text)", "tally.version()"};
    if (schema >= 4) {
        functions.emplace_back("tally.materialize_target(text,text,text[])");
        functions.emplace_back("tally.lacks_on_table(text,text)");
    }
    using right_row = std::tuple<std::string, bool>;
    auto const rights = co_await connection.query_as<right_row>(R"(
        select 'usage of schema tally', has_schema_privilege('tally', 'usage')
        union all
        select 'select on tally.tallies', has_table_privilege('tally.tallies', 'select')
        union all
        select 'execute on ' || f, coalesce(has_function_privilege(to_regprocedure(f), 'execute'), false)
          from unnest($1::text[]) as f)",
                                                                functions);
    for (auto const& [right, granted] : rights) {
        if (!granted) add(out, "rights", severity::error, "this role has no right to " + right, grant_remedy);
    }
}

asio::awaitable<void> check_senders(db::connection& connection, findings& out)
{
    using role_row = std::tuple<std::string, std::int64_t, std::string>;
    auto const roles = co_await connection.query_as<role_row>(R"(
        select rolname::text, count(*) over (), quote_ident(current_database())
          from pg_roles
         where rolcanlogin and not rolsuper and rolname <> current_user
           and has_database_privilege(oid, current_database(), 'connect')
         order by rolname limit 5)");
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

asio::awaitable<void> check_tables(db::connection& connection, int schema, findings& out)
{
    if (schema < 4) co_return;
    using lacking_row = std::tuple<std::string, std::string, std::string>;
    auto const lacking = co_await connection.query_as<lacking_row>(R"(
        select t.name, t.materialize, remedy
          from tally.tallies as t, tally.lacks_on_table(t.materialize, current_user) as remedy
         where remedy is not null order by t.name)");
    for (auto const& [tally, table, remedy] : lacking) {
        add(out, "rights", severity::error, "this role may not write table " + table + " of a materialized tally",
            remedy);
        out.back().tally = tally;
    }
}

asio::awaitable<void> check_tallies(db::connection& connection, findings& out)
{
    using problem_row = std::tuple<std::string, std::string>;
    auto const problems = co_await connection.query_as<problem_row>(
        "select name, p from tally.tallies, unnest(problems) as p order by name, p");
    for (auto const& [tally, text] : problems) {
        auto& one = out.emplace_back();
        one.check = "tally";
        one.tally = tally;
        // The schema puts message and remedy into one text.
        constexpr std::string_view separator = "; remedy: ";
        auto const at = text.find(separator);
        one.message = text.substr(0, at);
        one.remedy = at == std::string::npos ? "as the source's owner: select tally.reload('" + tally + "')"
                                             : text.substr(at + separator.size());
    }
}

}  // namespace pgtally::server
