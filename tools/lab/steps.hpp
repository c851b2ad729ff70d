#pragma once

#include "table.hpp"

#include <string>
#include <vector>

namespace pgtally::lab {

enum class prompt {
    a,  ///< the one that comes first
    b,  ///< the one that may have to wait
};

/// A line of what two sessions did.
struct step {
    enum class kind {
        types,     ///< a statement
        answered,  ///< what it was answered
        waits,     ///< what it waits for
    };
    prompt where = prompt::a;
    kind what = kind::types;
    std::string text{};
};

/// Two columns, a row for each step.
[[nodiscard]] table to_table(std::vector<step> const& steps);

}  // namespace pgtally::lab
