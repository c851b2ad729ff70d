#pragma once

#include <cstdint>
#include <optional>

namespace pgtally::lab {

/// A counter's value for one message, or for all messages if there is no ID.
struct count {
    std::optional<std::int64_t> messageid{};
    std::int64_t rts = 0;
};

}  // namespace pgtally::lab
