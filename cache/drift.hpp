#pragma once

// A key whose served counters differed from the truth.

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::cache {

struct drift {
    std::string key;                          // its text
    std::vector<std::int64_t> served, truth;  // in the definition's order
};

// A line of log: `key "33" showed rts=5 favs=0, the truth is rts=2 favs=1`. Control characters, quotes and backslashes of
// the key are escaped as in JSON.
std::string describe(drift const& what, std::vector<std::string> const& counters);

}  // namespace pgtally::cache
