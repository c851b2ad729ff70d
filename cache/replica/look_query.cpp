#include <pgtally/cache/replica/look_query.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

namespace pgtally {

namespace {

using finding_row = std::tuple<std::string, std::string, std::string, std::string, std::string>;

// A source that is renamed is the same source: its name is no part of the fingerprint.
constexpr char const* select_look =
    "select seen.name, coalesce(seen.v, 0), seen.fingerprint, t.source "
    "from tally.look($1) as seen join tally.tallies t on t.name = seen.name";

// Several findings may share a message; their order is the database's.
constexpr char const* select_findings =
    "select kind, coalesce(subject, ''), message, coalesce(remedy, ''), severity from tally.findings($1)";

// The schema's own findings have no name: `pgtally check` reports them.
constexpr char const* select_all_findings =
    "select name, kind, coalesce(subject, ''), message, coalesce(remedy, ''), severity "
    "from tally.findings() where name is not null order by name";

finding finding_of(std::string kind, std::string subject, std::string message, std::string remedy,
                   std::string const& severity)
{
    return {std::move(kind), std::move(subject), std::move(message), std::move(remedy), severity == "failed"};
}

// Asks for the role's rights only where they matter.
boost::asio::awaitable<void> read_rights(db::connection& connection, found_in_tally& of)
{
    using right_row = std::tuple<bool>;
    if (std::ranges::none_of(of.all, &finding::cured_by_reload)) co_return;
    auto const may = co_await connection.query_as<right_row>("select tally.can_reload($1)", of.name);
    of.may_repair = std::get<0>(may.one());
}

}  // namespace

boost::asio::awaitable<std::vector<looked_tally>> read_look(db::connection& connection, std::optional<std::string> only)
{
    using look_row = std::tuple<std::string, std::int64_t, std::string, std::string>;
    auto const rows = co_await connection.query_as<look_row>(select_look, only);
    std::vector<looked_tally> out;
    for (auto row : rows) {
        auto& [name, v, fingerprint, source] = row;
        out.push_back({std::move(name), static_cast<std::uint64_t>(v), std::move(fingerprint), std::move(source)});
    }
    co_return out;
}

boost::asio::awaitable<found_in_tally> read_findings(db::connection& connection, std::string name)
{
    found_in_tally out;
    out.name = std::move(name);
    auto const rows = co_await connection.query_as<finding_row>(select_findings, out.name);
    for (auto row : rows) {
        auto& [kind, subject, message, remedy, severity] = row;
        out.all.push_back(
            finding_of(std::move(kind), std::move(subject), std::move(message), std::move(remedy), severity));
    }
    co_await read_rights(connection, out);
    co_return out;
}

boost::asio::awaitable<std::vector<found_in_tally>> read_all_findings(db::connection& connection)
{
    using row_of_all = std::tuple<std::string, std::string, std::string, std::string, std::string, std::string>;
    std::vector<found_in_tally> out;
    {
        auto const rows = co_await connection.query_as<row_of_all>(select_all_findings);
        for (auto row : rows) {
            auto& [name, kind, subject, message, remedy, severity] = row;
            if (out.empty() || out.back().name != name) out.emplace_back().name = std::move(name);
            out.back().all.push_back(
                finding_of(std::move(kind), std::move(subject), std::move(message), std::move(remedy), severity));
        }
    }
    for (auto& each : out) co_await read_rights(connection, each);
    co_return out;
}

boost::asio::awaitable<std::vector<found_in_tally>> read_problems(db::connection& connection)
{
    using problem_row = std::tuple<std::string, std::optional<std::vector<std::string>>, std::optional<std::string>>;
    auto const rows = co_await connection.query_as<problem_row>(
        "select name, problems::text[], tally.lost_source(name) from tally.tallies order by name");
    std::vector<found_in_tally> out;
    for (auto const& [name, problems, lost_source] : rows) {
        auto& one = out.emplace_back();
        one.name = name;
        for (auto const& text : problems.value_or(std::vector<std::string>{})) {
            bool const lost = text == lost_source;
            one.all.push_back({lost ? "source_lost" : "problem", "", text, "", lost});
        }
    }
    co_return out;
}

}  // namespace pgtally
