#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/server/check/schema_questions.hpp>

#include <string_view>
#include <utility>

namespace pgtally::server {

namespace {

// EXECUTE returns what the owner of the function may read.
constexpr char const* create_function = R"(
    create function pg_temp.pgtally_check(question pg_catalog.text) returns pg_catalog.text
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
    declare
      answer pg_catalog.text;
    begin
      execute question into answer;
      return answer;
    end
    $body$;
    grant execute on function pg_temp.pgtally_check(pg_catalog.text) to public)";

std::string with_role(std::string from, std::string_view role)
{
    constexpr std::string_view place = "$role";
    for (auto at = from.find(place); at != std::string::npos; at = from.find(place, at + role.size())) {
        from.replace(at, place.size(), role);
    }
    return from;
}

asio::awaitable<db::rows<schema_row>> ask_directly(db::connection& connection, std::string from)
{
    auto const select = "select name, kind, subject, message, remedy, severity from " +
                        with_role(std::move(from), "current_user::text");
    co_return co_await connection.query_as<schema_row>(select);
}

asio::awaitable<db::rows<schema_row>> ask_as_owner(db::connection& connection, std::string owner, std::string from)
{
    using one_text = std::tuple<std::string>;
    auto const before = co_await connection.query_as<one_text>("select current_setting('role')");
    auto const role = std::get<0>(before.one());
    co_await connection.query("select set_config('role', $1, true)", owner);
    co_await connection.script(create_function);
    co_await connection.query("select set_config('role', $1, true)", role);
    auto const question = "select json_agg(f) from " + with_role(std::move(from), "%L");
    co_return co_await connection.query_as<schema_row>(
        "select * from json_to_recordset(pg_temp.pgtally_check(format($1, current_user))::json) "
        "as f (name text, kind text, subject text, message text, remedy text, severity text)",
        question);
}

asio::awaitable<db::rows<schema_row>> ask_either_way(db::connection& connection, schema_access const& access,
                                                     std::string from)
{
    if (access.acts_as_it) co_return co_await ask_as_owner(connection, access.owner, std::move(from));
    co_return co_await ask_directly(connection, std::move(from));
}

}  // namespace

asio::awaitable<db::rows<schema_row>> ask_schema(db::connection& connection, schema_access const& access,
                                                 std::string from)
{
    auto begin = access.acts_as_it ? begin_writing() : begin_reading();
    co_await connection.script(std::move(begin));
    try {
        auto rows = co_await ask_either_way(connection, access, std::move(from));
        co_await connection.query("rollback");
        co_return rows;
    } catch (...) {
        connection.leave_transaction();
        throw;
    }
}

}  // namespace pgtally::server
