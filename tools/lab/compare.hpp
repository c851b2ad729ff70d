#pragma once

#include "count.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace pgtally::lab {

/// A counter beside what it should say.
struct comparison {
    std::int64_t rts = 0;  ///< of all messages that were retweeted
    bool exact = false;    ///< of each of them, or of all where that is all it knows
    std::map<std::int64_t, std::int64_t> by_message{};

    /// 0 where it says nothing.
    [[nodiscard]] std::int64_t of(std::int64_t messageid) const;
};

/// `acknowledged` is that of the messages from `first` on; what is said about others is not compared.
[[nodiscard]] comparison compare(std::vector<count> const& said, std::int64_t first,
                                 std::vector<std::int64_t> const& acknowledged);

}  // namespace pgtally::lab
