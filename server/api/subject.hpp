#pragma once

#include <pgtally/cache/question.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// What a request reads of a tally: the answer to a question, the counters of keys, or, without both, the tally as a whole.
struct subject {
    std::vector<std::string> keys{};
    std::optional<cache::question> about{};
};

}  // namespace pgtally::server
