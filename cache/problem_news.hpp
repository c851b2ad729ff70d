#pragma once

#include <string>
#include <vector>

namespace pgtally {

// What is new between two looks at the same tally's problems.
struct problem_news {
    std::vector<std::string> appeared, gone;

    bool none() const noexcept { return appeared.empty() && gone.empty(); }
};

// Whether partitions were attached or detached. The truth then gained or lost rows without any trigger firing.
bool concerns_partitions(problem_news const& news);

problem_news news_of(std::vector<std::string> const& before, std::vector<std::string> const& now);

}  // namespace pgtally
