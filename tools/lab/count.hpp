#pragma once

#include <cstdint>
#include <optional>

namespace pgtally::lab {

/// What a counter says: of a message, or of all where there is none.
struct count {
    std::optional<std::int64_t> messageid{};
    std::int64_t rts = 0;
};

}  // namespace pgtally::lab
