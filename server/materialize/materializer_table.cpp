#include <pgtally/server/materialize/materializer_table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally::server {

namespace {

// The table, null if it is gone; the columns that can be the key, as tally.prepare_materialize looks for them: unique,
// of the key's type; their types; those that do not keep a value of the type as it is; counters that are missing.
constexpr char const* look = R"(
    with keys as (
      select distinct quote_ident(attname) as name, format_type(atttypid, -1) as type,
             atttypmod <> -1 and atttypid not in ('varchar'::regtype, 'bpchar'::regtype) as rounds
        from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
       where indrelid = to_regclass($1) and indisunique and indisvalid and indimmediate and indnkeyatts = 1
         and indpred is null and indexprs is null and atttypid = to_regtype($2))
    select t::oid::text || '/' || coalesce(pg_relation_filenode(t)::text, ''),
           array(select name from keys order by name), array(select type from keys order by name),
           array(select name from keys where rounds),
           array(select c from unnest($3::text[]) as c
                  where not exists (select from pg_attribute
                                     where attrelid = t and attname = c and attnum > 0 and not attisdropped))
      from to_regclass($1) as t)";

std::string quoted(std::string_view name)
{
    std::string out{'"'};
    for (char const c : name) {
        if (c == '"') out += c;
        out += c;
    }
    return out + '"';
}

}  // namespace

db::config materializer_settings(db::config database, std::chrono::milliseconds every, limits const& bounds)
{
    using std::chrono::milliseconds;
    database.application_name = "pgtally materialize";
    database.connect_timeout = bounds.connect_timeout;
    database.query_timeout = bounds.materialize_timeout + bounds.connect_timeout;
    database.recovery_timeout = milliseconds{0};  // what is late is lost, and the lock with it
    // Each round says something; who says nothing for some of them is stuck.
    auto const idle = bounds.materialize_timeout + every * 3;
    for (auto const& [name, value] : std::initializer_list<std::pair<char const*, std::string>>{
             {"statement_timeout", std::to_string(milliseconds{bounds.materialize_timeout}.count())},
             {"lock_timeout", std::to_string(milliseconds{bounds.materialize_lock_timeout}.count())},
             {"idle_session_timeout", std::to_string(std::min<std::int64_t>(idle.count(), 2'000'000'000))},
             {"tcp_keepalives_idle", "15"},
             {"tcp_keepalives_interval", "5"},
             {"tcp_keepalives_count", "3"},
             {"datestyle", "ISO, YMD"},
             {"intervalstyle", "postgres"},
             {"timezone", "UTC"},
             {"extra_float_digits", "1"},
             {"bytea_output", "hex"}}) {
        database.on_connect.push_back(fmt::format("set {} = '{}'", name, value));
    }
    return database;
}

materializer_table statements_for(cache::definition const& of, std::string const& key, std::string const& key_type,
                                  std::size_t page_size)
{
    // Of n columns c1, c2, …: "rts", "favs"; t."rts" is distinct from n.c1 or …; and so on.
    std::string given, names, values, set, differ, excluded, any, wrong;
    auto const add = [](std::string& to, std::string_view separator, std::string text) {
        if (!to.empty()) to += separator;
        to += text;
    };
    std::size_t place = 0;
    for (auto const& counter : of.counters) {
        auto const name = quoted(counter);
        auto const value = "c" + std::to_string(++place);
        add(given, ", ", fmt::format("($2::bigint[])[(i - 1) * {} + {}] as {}", of.counters.size(), place, value));
        add(names, ", ", name);
        add(values, ", ", "n." + value);
        add(set, ", ", name + " = n." + value);
        add(differ, " or ", fmt::format("t.{} is distinct from n.{}", name, value));
        add(excluded, ", ", fmt::format("{} = excluded.{}", name, name));
        add(any, " or ", fmt::format("n.{} <> 0", value));
        add(wrong, " or ", fmt::format("t.{} is distinct from 0", name));
    }
    auto const& table = of.materialize;
    materializer_table out;
    out.write = fmt::format(
        "with n as materialized (select k::{1} as key, {3} from unnest($1::text[]) with ordinality as given (k, i)), "
        "u as (update {0} as t set {6} from n where t.{2} = n.key and ({7}) returning 1), "
        "i as (insert into {0} as t ({2}, {4}) overriding system value select n.key, {5} from n "
        "where ({9}) and not exists (select from {0} as t where t.{2} = n.key) "
        "on conflict ({2}) do update set {8} returning 1) "
        "select (select count(*) from u) + (select count(*) from i)",
        table, key_type, key, given, names, values, set, differ, excluded, any);
    auto const page =
        fmt::format("select t.{1}::text from {0} as t where t.{1} is not null and ({2})", table, key, wrong);
    auto const order = fmt::format(" order by t.{0} limit {1}", key, page_size);
    out.first_page = page + order;
    out.next_page = page + fmt::format(" and t.{0} > $1::{1}", key, key_type) + order;
    return out;
}

asio::awaitable<materializer_table> find_table(db::connection& connection, cache::definition of, std::size_t page_size)
{
    using found_row = std::tuple<std::optional<std::string>, std::vector<std::string>, std::vector<std::string>,
                                 std::vector<std::string>, std::vector<std::string>>;
    auto const answer = co_await connection.query_as<found_row>(look, of.materialize, of.key_type, of.counters);
    auto const [identity, keys, types, rounding, missing] = answer.one();
    auto const remedy = ", or name another table: select tally.alter_tally('" + of.name + "', materialize => …)";
    if (!identity) throw table_trouble{"there is no table " + of.materialize + ": make it" + remedy};
    if (!missing.empty()) {
        throw table_trouble{"table " + of.materialize + " has no column " + quoted(missing.front()) +
                            ": add it, bigint not null default 0" + remedy};
    }
    if (keys.size() != 1) {
        throw table_trouble{"table " + of.materialize +
                            (keys.empty() ? " has no unique column" : " has several unique columns") + " of type " +
                            of.key_type + ": exactly one is the key" + remedy};
    }
    if (!rounding.empty()) {
        throw table_trouble{"table " + of.materialize + " rounds its keys: make column " + keys.front() + " of type " +
                            types.front() + remedy};
    }
    auto out = statements_for(of, keys.front(), types.front(), page_size);
    out.identity = *identity + " " + of.materialize + " " + keys.front();
    co_return out;
}

}  // namespace pgtally::server
