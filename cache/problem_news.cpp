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

}  // namespace

problem_news news_of(std::vector<std::string> const& before, std::vector<std::string> const& now)
{
    return {without(now, before), without(before, now)};
}

}  // namespace pgtally
