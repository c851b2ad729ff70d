#include <pgtally/server/check/setting_place.hpp>

#include <tuple>

namespace pgtally::server {

asio::awaitable<setting_place> place_of_setting(db::connection& connection, std::string name)
{
    using place_row = std::tuple<std::string, std::string>;
    // In the order in which PostgreSQL prefers them.
    auto const rows = co_await connection.query_as<place_row>(R"(
        select whose, format('alter %s%s reset %I', whose,
                             case when u.setrole <> 0 and u.setdatabase <> 0 then format(' in database %I', d.datname) end, $1::text)
          from pg_database as d
               join pg_db_role_setting as u on u.setdatabase in (0, d.oid)
               cross join lateral (select case when u.setrole <> 0 then format('role %I', session_user)
                                               when u.setdatabase <> 0 then format('database %I', d.datname)
                                               else 'role all' end as whose) as w
         where d.datname = current_database() and u.setrole in (0, (select oid from pg_roles where rolname = session_user))
           and exists (select from unnest(u.setconfig) as c where split_part(c, '=', 1) = $1::text)
         order by (u.setrole <> 0)::integer * 2 + (u.setdatabase <> 0)::integer desc limit 1)",
                                                              name);
    setting_place place{"the server", "alter system reset " + name + "; select pg_reload_conf()", false};
    for (auto const& [whose, undo] : rows) place = {whose, undo, true};
    co_return place;
}

}  // namespace pgtally::server
