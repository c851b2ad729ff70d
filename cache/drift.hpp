#pragma once

// A key whose served counters were not the truth.

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::cache {

struct drift {
    std::string key;                          // as text
    std::vector<std::int64_t> served, truth;  // in the order of the definition's counters
};

// The line of a log: `key "33" showed rts=5 favs=0, the truth is rts=2 favs=1`. What could break the line is escaped,
// as in JSON.
std::string describe(drift const& what, std::vector<std::string> const& counters);

}  // namespace pgtally::cache
