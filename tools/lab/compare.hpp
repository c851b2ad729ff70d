#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace pgtally::lab {

/// A counter's value for one message, or for all messages if there is no ID.
struct count {
    std::optional<std::int64_t> messageid{};
    std::int64_t rts = 0;
};

/// A counter compared with its expected value.
struct comparison {
    std::int64_t rts = 0;  ///< of all messages that were retweeted
    bool exact = false;    ///< for each message, or for the sum if the counter has only that
    std::map<std::int64_t, std::int64_t> by_message{};

    /// 0 if the counter does not know the message.
    [[nodiscard]] std::int64_t of(std::int64_t messageid) const;
};

/// `acknowledged` has the retweets of the messages from `first` on. Counters of other messages are ignored.
[[nodiscard]] comparison compare(std::vector<count> const& said, std::int64_t first,
                                 std::vector<std::int64_t> const& acknowledged);

}  // namespace pgtally::lab
