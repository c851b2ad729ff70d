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
           coalesce(materialize, ''), transport, )";

// The fingerprint and the number of a definition. Where definitions have numbers, the fingerprint need not tell what is
// counted, only what the counters mean: a source or a type that gets another name leaves it as it is. A definition whose
// functions are of an older schema has no number yet.
std::string identity_columns(int schema_version)
{
    return schema_version >= schema_that_looks
               ? "jsonb_build_array(key, counters::text, filter, transport)::text, coalesce(v, 0)"
               : "jsonb_build_array(source, key, key_type, counters::text, filter, transport)::text, 0::bigint";
}

}  // namespace

boost::asio::awaitable<catalog> read_catalog(db::connection& connection)
{
    using version_row = std::tuple<std::int32_t>;
    using tally_row = std::tuple<std::string, std::string, std::string, std::vector<std::string>,
                                 std::vector<std::string>, std::string, std::string, std::string, std::int64_t>;
    catalog result;
    auto const version = co_await connection.query_as<version_row>("select tally.version()::integer");
    result.schema_version = std::get<0>(version.one());
    auto const select = select_tallies + identity_columns(result.schema_version) + " from tally.tallies order by name";
    auto const rows = co_await connection.query_as<tally_row>(select);
    for (auto row : rows) {
        auto& [name, source, key_type, counters, actions, materialize, transport, fingerprint, v] = row;
        result.tallies.push_back(cache::definition{
            std::move(name), std::move(source), std::move(key_type), std::move(counters), std::move(actions),
            std::move(fingerprint), std::move(materialize), std::move(transport), static_cast<std::uint64_t>(v)});
    }
    co_return result;
}

boost::asio::awaitable<identity> read_identity(db::connection& connection, int schema_version, std::string name)
{
    using identity_row = std::tuple<std::string, std::int64_t>;
    auto const select = "select " + identity_columns(schema_version) + " from tally.tallies where name = $1";
    auto const rows = co_await connection.query_as<identity_row>(select, name);
    identity result;
    for (auto const& [fingerprint, v] : rows) {
        result.fingerprint = fingerprint;
        result.v = static_cast<std::uint64_t>(v);
    }
    co_return result;
}

bool schema_is_missing(db::error const& e) noexcept
{
    // There is no such schema, function or view. If the role may not use the schema, the SQLSTATE is 42501.
    return e.state().is("3F000") || e.state().is("42883") || e.state().is("42P01");
}

}  // namespace pgtally
