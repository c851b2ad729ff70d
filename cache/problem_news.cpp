#include <pgtally/cache/problem_news.hpp>

#include <algorithm>

namespace pgtally {

namespace {

std::vector<std::string> without(std::vector<std::string> const& these, std::vector<std::string> const& those)
{
    std::vector<std::string> out;
    for (auto const& each : these) {
        if (std::ranges::find(those, each) == those.end()) out.push_back(each);
    }
    return out;
}

// Recognizes the texts of tally.problems() about partitions.
bool is_of_partitions(std::string const& problem)
{
    return problem.starts_with("partition ") || problem.find(" is no part of the source any more") != std::string::npos;
}

}  // namespace

bool concerns_partitions(problem_news const& news)
{
    return std::ranges::any_of(news.appeared, is_of_partitions) || std::ranges::any_of(news.gone, is_of_partitions);
}

problem_news news_of(std::vector<std::string> const& before, std::vector<std::string> const& now)
{
    return {without(now, before), without(before, now)};
}

}  // namespace pgtally
