#include <pgtally/server/base/version.hpp>
#include <pgtally/server/check/schema_checks.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

constexpr int schema_with_findings = 5;  // the oldest version that has them as rows

constexpr char const* grant_remedy = "run pgtally install --grant with this role's name, as the schema's owner";

// The functions that return findings: as written in a call, and as PostgreSQL names them.
struct source_of_findings {
    std::string_view check, call, signature;
};
constexpr std::array<source_of_findings, 3> sources{
    {{"rights", "tally.server_findings($role)", "tally.server_findings(text)"},
     {"tally", "tally.findings()", "tally.findings()"},
     {"tally", "tally.tried()", "tally.tried()"}}};

void add(examination& out, std::string_view check, std::string_view kind, std::string subject, std::string message,
         std::string remedy, severity how_bad = severity::error)
{
    out.found.push_back({.check = check,
                         .how_bad = how_bad,
                         .kind = std::string{kind},
                         .subject = std::move(subject),
                         .message = std::move(message),
                         .remedy = std::move(remedy)});
}

void lacks(examination& out, std::string subject, std::string what)
{
    add(out, "rights", "rights", std::move(subject), "this role has no right to " + std::move(what), grant_remedy);
}

// Whether the function may be called; else a finding says why not.
struct function_facts {
    bool there = false, may_execute = false, harmless = false;
};

asio::awaitable<function_facts> look_at(db::connection& connection, std::string signature)
{
    using function_row = std::tuple<bool, bool, bool>;
    auto const rows = co_await connection.query_as<function_row>(R"(
        select true, has_function_privilege(p.oid, 'execute'),
               p.proowner = n.nspowner and p.prosecdef and p.prokind = 'f'
               and (p.pronargdefaults = 0 or p.pronargdefaults = p.pronargs and p.proname = 'look')
               and not exists (select from unnest(p.proallargtypes) as t
                                where t not in ('text'::regtype, 'bigint'::regtype))
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where p.oid = to_regprocedure($1))",
                                                                 signature);
    function_facts facts;
    for (auto const& [there, may_execute, harmless] : rows) facts = {there, may_execute, harmless};
    co_return facts;
}

// A group for each tally. Without the right to list them, or if the function could run with our rights, those with
// findings have groups.
asio::awaitable<void> list_tallies(db::connection& connection, schema_access const& access, examination& out)
{
    auto const facts = co_await look_at(connection, "tally.look(text)");
    if (!facts.there || !facts.harmless || !facts.may_execute) co_return;
    // As rows of findings, because that is what can be asked.
    std::string from{
        "(select l.name, '' as kind, '' as subject, '' as message, '' as remedy, '' as severity "
        "from tally.look(null::text) as l order by 1) as f"};
    auto const rows = co_await ask_schema(connection, access, std::move(from));
    for (auto const& row : rows) {
        if (auto const& name = std::get<0>(row)) out.saw_tally(*name, "");
    }
    if (rows.empty()) out.skipped("tally", "there is no tally in this database");
}

asio::awaitable<void> append_rows(db::connection& connection, schema_access const& access, std::string_view check,
                                  std::string from, examination& out)
{
    auto const rows = co_await ask_schema(connection, access, std::move(from));
    for (auto const& [tally, kind, subject, message, remedy, how_bad] : rows) {
        auto& one = out.found.emplace_back();
        one.check = !tally && check == "tally" ? "schema" : check;
        one.how_bad = how_bad == "failed" ? severity::error : severity::warning;
        if (tally) one.tally = *tally;
        one.kind = kind;
        one.subject = subject;
        one.message = message;
        one.remedy = remedy;
    }
}

}  // namespace

asio::awaitable<std::optional<schema_access>> check_schema(db::connection& connection, examination& out)
{
    using facts_row = std::tuple<std::string, bool, bool, bool, std::optional<std::int32_t>>;
    auto const rows = co_await connection.query_as<facts_row>(R"(
        select r.rolname::text, has_schema_privilege(n.oid, 'usage'), r.rolsuper or r.rolname = current_user,
               pg_has_role(n.nspowner, case when current_setting('server_version_num')::integer >= 160000
                                            then 'set' else 'member' end)
               and has_database_privilege(n.nspowner, current_database(), 'temporary') and not pg_is_in_recovery(),
               (select substring(p.prosrc from '^select ([0-9]{1,6})$')::integer from pg_proc p
                 where p.pronamespace = n.oid and p.proname = 'version' and p.pronargs = 0 and p.proowner = n.nspowner)
          from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'tally')");
    if (rows.empty()) {
        out.saw("schema", "");
        add(out, "schema", "schema", "tally", "the schema \"tally\" is not installed", "run pgtally install");
        co_return std::nullopt;
    }
    auto const& [owner, may_use, trusted, may_act, version] = rows.one();
    out.saw("schema", version ? "version " + std::to_string(*version) + ", of role " + owner : "");
    if (!version) {
        add(out, "schema", trusted ? "schema" : "foreign_schema", "tally",
            "there is a schema \"tally\" of role " + owner + ", but it is not pgtally's",
            "rename that schema, or use another database");
        co_return std::nullopt;
    }
    if (!may_use) {
        lacks(out, "tally", "use schema tally");
        co_return std::nullopt;
    }
    if (*version != schema_version()) {
        add(out, "schema", "schema", "tally",
            "the schema has version " + std::to_string(*version) + ", this program belongs to version " +
                std::to_string(schema_version()),
            *version < schema_version() ? "upgrade the schema: run pgtally install" : "use a newer pgtally",
            severity::warning);
    }
    schema_access access;
    access.version = *version;
    access.acts_as_it = !trusted && may_act;
    access.owner = owner;
    co_return access;
}

asio::awaitable<void> check_tallies(db::connection& connection, schema_access const& access, examination& out)
{
    if (access.version < schema_with_findings) {
        out.skipped("rights", "the schema is too old to be asked");
        co_return;
    }
    out.saw("rights", "this role may do what serving needs");
    co_await list_tallies(connection, access, out);
    for (auto const& [check, call, named] : sources) {
        std::string const signature{named};
        auto const facts = co_await look_at(connection, signature);
        if (!facts.there || !facts.harmless) {
            add(out, "schema", "foreign_schema", signature,
                "the schema \"tally\" of role " + access.owner + " is not as pgtally makes it: " + signature +
                    (facts.there ? " would run with the rights of its caller" : " is not there"),
                "install it again, as role " + access.owner + ": pgtally install; or drop it, if you did not make it");
            co_return;
        }
        if (!facts.may_execute) {
            // That function tells of the rights on the others, and the remedy gives all of them.
            if (check == "rights") lacks(out, signature, "execute " + signature);
            continue;
        }
        auto from = std::string{call} + " as f";
        co_await append_rows(connection, access, check, std::move(from), out);
    }
}

}  // namespace pgtally::server
