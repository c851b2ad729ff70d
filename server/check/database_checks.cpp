#include <pgtally/server/base/version.hpp>
#include <pgtally/server/check/database_checks.hpp>

#include <charconv>
#include <string>
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

int number(std::string_view text) noexcept
{
    int out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

}  // namespace

asio::awaitable<void> check_server(db::connection& connection, findings& out)
{
    auto const row = co_await connection.query(
        "select current_setting('server_version_num'), current_setting('server_encoding'), pg_is_in_recovery(), "
        "round(pg_notification_queue_usage() * 100)::integer, current_setting('default_transaction_read_only')");
    auto const version = number(row.text(0, 0)) / 10'000;
    if (version < 14 || version > 18) {
        add(out, "version", version < 14 ? severity::error : severity::warning,
            "this is PostgreSQL " + std::to_string(version), "use PostgreSQL 14 to 18");
    }
    if (row.text(0, 1) != "UTF8") {
        add(out, "encoding", severity::error, "the database's encoding is " + std::string{row.text(0, 1)},
            "use a database whose encoding is UTF8");
    }
    if (row.text(0, 2) == "t") {
        add(out, "standby", severity::error, "this server is a standby: NOTIFY is not possible",
            "name the primary in the DSN, or several hosts with target_session_attrs=read-write");
    } else if (row.text(0, 4) == "on") {
        add(out, "standby", severity::error, "transactions are read only by default",
            "alter role … reset default_transaction_read_only");
    }
    if (auto const percent = number(row.text(0, 3)); percent > 50) {
        add(out, "notification_queue", severity::warning,
            "the notification queue is " + std::to_string(percent) + " % full",
            "end the session that listens and stays in a transaction: see pg_stat_activity. If the queue is full, "
            "writers fail");
    }
}

asio::awaitable<std::optional<int>> check_schema(db::connection& connection, findings& out)
{
    auto const there = co_await connection.query(
        "select n is not null, coalesce(has_schema_privilege(n, 'usage'), false) from to_regnamespace('tally') as n");
    if (there.text(0, 0) != "t") {
        add(out, "schema", severity::error, "the schema \"tally\" is not installed", "run pgtally install");
        co_return std::nullopt;
    }
    if (there.text(0, 1) != "t") {
        add(out, "rights", severity::error, "this role has no right to usage of schema tally", grant_remedy);
        co_return std::nullopt;
    }
    auto const ours = co_await connection.query(
        "select coalesce(has_function_privilege(f, 'execute'), false), f is not null from "
        "to_regprocedure('tally.version()') as f");
    if (ours.text(0, 1) != "t") {
        add(out, "schema", severity::error, "there is a schema \"tally\", but it is not pgtally's",
            "rename that schema, or use another database");
        co_return std::nullopt;
    }
    if (ours.text(0, 0) != "t") {
        add(out, "rights", severity::error, "this role has no right to execute on tally.version()", grant_remedy);
        co_return std::nullopt;
    }
    auto const version = co_await connection.query("select tally.version()");
    auto const found = number(version.text(0, 0));
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
    auto const rights = co_await connection.query(R"(
        select 'usage of schema tally', has_schema_privilege('tally', 'usage')
        union all
        select 'select on tally.tallies', has_table_privilege('tally.tallies', 'select')
        union all
        select 'execute on ' || f, coalesce(has_function_privilege(to_regprocedure(f), 'execute'), false)
          from unnest($1::text[]) as f)",
                                                  functions);
    for (std::size_t i = 0; i < rights.size(); ++i) {
        if (rights.text(i, 1) == "t") continue;
        add(out, "rights", severity::error, "this role has no right to " + std::string{rights.text(i, 0)},
            grant_remedy);
    }
}

asio::awaitable<void> check_senders(db::connection& connection, findings& out)
{
    constexpr std::size_t named = 5;
    auto const roles = co_await connection.query(R"(
        select rolname, count(*) over (), quote_ident(current_database())
          from pg_roles
         where rolcanlogin and not rolsuper and rolname <> current_user
           and has_database_privilege(oid, current_database(), 'connect')
         order by rolname limit 5)");
    if (roles.size() == 0) co_return;
    auto const count = number(roles.text(0, 1));
    std::string names;
    for (std::size_t i = 0; i < roles.size(); ++i) names += (i == 0 ? "" : ", ") + std::string{roles.text(i, 0)};
    if (roles.size() == named && count > static_cast<int>(named)) names += ", …";
    add(out, "senders", severity::note,
        std::to_string(count) + (count == 1 ? " other role (" : " other roles (") + names +
            ") may connect to this database and can send events: a forged event shows wrong counters until the next "
            "audit",
        "revoke connect on database " + std::string{roles.text(0, 2)} +
            " from public, and grant it to the roles that need it; or audit often: pgtally serve --audit-every 1h");
}

asio::awaitable<void> check_tables(db::connection& connection, int schema, findings& out)
{
    if (schema < 4) co_return;
    auto const lacking = co_await connection.query(R"(
        select t.name, t.materialize, remedy
          from tally.tallies as t, tally.lacks_on_table(t.materialize, current_user) as remedy
         where remedy is not null order by t.name)");
    for (std::size_t i = 0; i < lacking.size(); ++i) {
        add(out, "rights", severity::error,
            "this role may not write table " + std::string{lacking.text(i, 1)} + " of a materialized tally",
            std::string{lacking.text(i, 2)});
        out.back().tally = lacking.text(i, 0);
    }
}

asio::awaitable<void> check_tallies(db::connection& connection, findings& out)
{
    auto const problems =
        co_await connection.query("select name, p from tally.tallies, unnest(problems) as p order by name, p");
    for (std::size_t i = 0; i < problems.size(); ++i) {
        auto& one = out.emplace_back();
        one.check = "tally";
        one.tally = problems.text(i, 0);
        // The schema puts message and remedy into one text.
        constexpr std::string_view separator = "; remedy: ";
        std::string_view const text = problems.text(i, 1);
        auto const at = text.find(separator);
        one.message = text.substr(0, at);
        one.remedy = at == std::string_view::npos ? "as the source's owner: select tally.reload('" + one.tally + "')"
                                                  : std::string{text.substr(at + separator.size())};
    }
}

}  // namespace pgtally::server
