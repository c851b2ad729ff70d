#pragma once

#include "table.hpp"

#include <string>
#include <vector>

namespace pgtally::lab {

enum class prompt {
    a,  ///< the session that comes first
    b,  ///< the session that may have to wait
};

/// One step of two sessions.
struct step {
    enum class kind {
        types,     ///< sends a statement
        answered,  ///< gets an answer
        waits,     ///< waits for a lock
    };
    prompt where = prompt::a;
    kind what = kind::types;
    std::string text{};
};

/// Two columns, one row per step.
[[nodiscard]] table to_table(std::vector<step> const& steps);

}  // namespace pgtally::lab
