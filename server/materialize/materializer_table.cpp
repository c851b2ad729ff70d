#include <pgtally/server/materialize/materializer_table.hpp>

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

// The schema knows which table it is, which columns can be its key, and how names are quoted.
constexpr char const* look =
    "select identity, key_columns, key_types, rounding, columns, missing from tally.materialize_target($1, $2, $3)";

// The same for version 3 of the schema, which has no such function. Remove this when the server no longer supports
// version 3.
constexpr char const* look_in_version_3 = R"(
    with keys as (
      select distinct quote_ident(attname) as name, format_type(atttypid, -1) as type,
             atttypmod <> -1 and atttypid not in ('varchar'::regtype, 'bpchar'::regtype) as rounds
        from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
       where indrelid = to_regclass($1) and indisunique and indisvalid and indimmediate and indnkeyatts = 1
         and indpred is null and indexprs is null and atttypid = to_regtype($2))
    select t::oid::text || '/' || coalesce(pg_relation_filenode(t)::text, ''),
           array(select name from keys order by name), array(select type from keys order by name),
           array(select name from keys where rounds),
           array(select quote_ident(c) from unnest($3::text[]) with ordinality as u (c, i) order by i),
           array(select c from unnest($3::text[]) as c
                  where not exists (select from pg_attribute
                                     where attrelid = t and attname = c and attnum > 0 and not attisdropped))
      from to_regclass($1) as t)";

using texts = std::vector<std::string>;
using found_row = std::tuple<std::optional<std::string>, texts, texts, texts, texts, texts>;

}  // namespace

materializer_table statements_for(std::string const& table, sql_column const& key,
                                  std::vector<std::string> const& counters, std::size_t page_size)
{
    // Of n columns c1, c2, …: "rts", "favs"; t."rts" is distinct from n.c1 or …; and so on.
    std::string given, names, values, set, differ, excluded, any, wrong;
    auto const add = [](std::string& to, std::string_view separator, std::string text) {
        if (!to.empty()) to += separator;
        to += text;
    };
    std::size_t place = 0;
    for (auto const& name : counters) {
        auto const value = "c" + std::to_string(++place);
        add(given, ", ", fmt::format("($2::bigint[])[(i - 1) * {} + {}] as {}", counters.size(), place, value));
        add(names, ", ", name);
        add(values, ", ", "n." + value);
        add(set, ", ", name + " = n." + value);
        add(differ, " or ", fmt::format("t.{} is distinct from n.{}", name, value));
        add(excluded, ", ", fmt::format("{} = excluded.{}", name, name));
        add(any, " or ", fmt::format("n.{} <> 0", value));
        add(wrong, " or ", fmt::format("t.{} is distinct from 0", name));
    }
    materializer_table out;
    out.write = fmt::format(
        "with n as materialized (select k::{1} as key, {3} from unnest($1::text[]) with ordinality as given (k, i)), "
        "u as (update {0} as t set {6} from n where t.{2} = n.key and ({7}) returning 1), "
        "i as (insert into {0} as t ({2}, {4}) overriding system value select n.key, {5} from n "
        "where ({9}) and not exists (select from {0} as t where t.{2} = n.key) "
        "on conflict ({2}) do update set {8} returning 1) "
        "select (select count(*) from u) + (select count(*) from i)",
        table, key.type, key.name, given, names, values, set, differ, excluded, any);
    auto const page =
        fmt::format("select t.{1}::text from {0} as t where t.{1} is not null and ({2})", table, key.name, wrong);
    auto const order = fmt::format(" order by t.{0} limit {1}", key.name, page_size);
    out.first_page = page + order;
    out.next_page = page + fmt::format(" and t.{0} > $1::{1}", key.name, key.type) + order;
    return out;
}

asio::awaitable<materializer_table> find_table(db::connection& connection, cache::definition of, int schema_version,
                                               std::size_t page_size)
{
    auto const* const query = schema_version >= 4 ? look : look_in_version_3;
    auto const answer = co_await connection.query_as<found_row>(query, of.materialize, of.key_type, of.counters);
    auto const [identity, keys, types, rounding, columns, missing] = answer.one();
    auto const remedy = ", or name another table: select tally.alter_tally('" + of.name + "', materialize => …)";
    if (!identity) throw table_trouble{"there is no table " + of.materialize + ": create it" + remedy};
    if (!missing.empty()) {
        throw table_trouble{"table " + of.materialize + " has no column \"" + missing.front() +
                            "\": add it, bigint not null default 0" + remedy};
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
    sql_column const key{keys.front(), types.front()};
    auto out = statements_for(of.materialize, key, columns, page_size);
    out.identity = *identity + " " + of.materialize + " " + key.name;
    co_return out;
}

}  // namespace pgtally::server
