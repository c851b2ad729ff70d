#include "whole.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

namespace pgtally::lab {
namespace {

void print(std::ostream& out, char const* title, std::vector<fact> const& facts)
{
    table lines({{title, "name"}, {"", "value"}});
    for (auto const& one : facts) lines.add({words(one.name), one.value});
    lines.print(out);
    out << '\n';
}

boost::json::object to_json(std::vector<fact> const& facts)
{
    boost::json::object all;
    for (auto const& one : facts) all[one.key] = one.value.value;
    return all;
}

}  // namespace

bool whole::failed() const
{
    return std::any_of(reports.begin(), reports.end(), [](auto const& one) { return !one.failure.empty(); });
}

void print_text(std::ostream& out, whole const& found)
{
    print(out, "machine of the lab", found.machine);
    print(out, "server", found.server);
    bool first = true;
    for (auto const& one : found.reports) {
        if (!std::exchange(first, false)) out << '\n';
        out << one.experiment << '\n' << std::string(one.experiment.size(), '=') << "\n\n";
        print_text(out, one);
    }
}

boost::json::object to_json(whole const& found)
{
    boost::json::array reports;
    for (auto const& one : found.reports) reports.push_back(to_json(one));
    boost::json::object all;
    all["experiment"] = "all";
    all["begun"] = found.begun;
    all["machine"] = to_json(found.machine);
    all["server"] = to_json(found.server);
    all["experiments"] = std::move(reports);
    return all;
}

}  // namespace pgtally::lab
