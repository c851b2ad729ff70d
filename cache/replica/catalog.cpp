#include <pgtally/cache/replica/catalog.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally {

namespace {

// Counters and actions come in the order in which they were written, because json keeps that order.
constexpr char const* select_tallies = R"(
    select name, source, key_type,
           array(select k from json_object_keys(counters) as k)::text[],
           array(select k from json_object_keys(coalesce(actions, '{}')) as k)::text[],
           jsonb_build_array(source, key, key_type, counters::text, filter, transport)::text,
           coalesce(materialize, ''), transport
      from tally.tallies order by name)";

constexpr char const* select_fingerprint = R"(
    select jsonb_build_array(source, key, key_type, counters::text, filter, transport)::text
      from tally.tallies where name = $1)";

}  // namespace

boost::asio::awaitable<catalog> read_catalog(db::connection& connection)
{
    using version_row = std::tuple<std::int32_t>;
    using tally_row = std::tuple<std::string, std::string, std::string, std::vector<std::string>,
                                 std::vector<std::string>, std::string, std::string, std::string>;
    catalog result;
    auto const version = co_await connection.query_as<version_row>("select tally.version()::integer");
    result.schema_version = std::get<0>(version.one());
    auto const rows = co_await connection.query_as<tally_row>(select_tallies);
    for (auto row : rows) {
        auto& [name, source, key_type, counters, actions, fingerprint, materialize, transport] = row;
        result.tallies.push_back(cache::definition{std::move(name), std::move(source), std::move(key_type),
                                                   std::move(counters), std::move(actions), std::move(fingerprint),
                                                   std::move(materialize), std::move(transport)});
    }
    co_return result;
}

boost::asio::awaitable<std::string> read_fingerprint(db::connection& connection, std::string name)
{
    using fingerprint_row = std::tuple<std::string>;
    auto const rows = co_await connection.query_as<fingerprint_row>(select_fingerprint, name);
    std::string result;
    for (auto const& [fingerprint] : rows) result = fingerprint;
    co_return result;
}

bool schema_is_missing(db::error const& e) noexcept
{
    // There is no such schema, function or view. If the role may not use the schema, the SQLSTATE is 42501.
    return e.state().is("3F000") || e.state().is("42883") || e.state().is("42P01");
}

}  // namespace pgtally
