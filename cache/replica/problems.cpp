#include <pgtally/cache/replica/problems.hpp>

#include <tuple>
#include <utility>

namespace pgtally {

namespace {

constexpr char const* select_problems =
    "select name, problems::text[], tally.lost_source(name) from tally.tallies order by name";

constexpr char const* select_problems_2 = R"(
    select name, problems::text[],
           (select p from unnest(problems) as p
             where p like 'source % was dropped%' or p like 'source % was renamed to %' limit 1)
      from tally.tallies order by name)";

}  // namespace

boost::asio::awaitable<std::vector<tally_problems>> read_problems(db::connection& connection, int schema_version)
{
    using problem_row = std::tuple<std::string, std::optional<std::vector<std::string>>, std::optional<std::string>>;
    auto const* const select = schema_version >= 3 ? select_problems : select_problems_2;
    auto const rows = co_await connection.query_as<problem_row>(select);
    std::vector<tally_problems> out;
    for (auto row : rows) {
        auto& [name, all, lost_source] = row;
        auto& one = out.emplace_back();
        one.name = std::move(name);
        if (all) one.all = std::move(*all);
        one.lost_source = std::move(lost_source);
    }
    co_return out;
}

}  // namespace pgtally
