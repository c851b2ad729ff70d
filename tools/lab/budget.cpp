#include "budget.hpp"

#include <algorithm>

namespace pgtally::lab {

std::string refusal(connection_budget const& budget, std::size_t workers, std::size_t others)
{
    auto const needed = static_cast<std::int64_t>(workers + others);
    auto free = budget.max_connections - budget.reserved - budget.in_use;
    auto why = "the server's max_connections is " + std::to_string(budget.max_connections) + ", " +
               std::to_string(budget.reserved) + " of them reserved and " + std::to_string(budget.in_use) + " in use";
    auto const narrow = [&](char const* whose, std::int64_t limit, std::int64_t in_use) {
        if (limit < 0 || limit - in_use >= free) return;
        free = limit - in_use;
        why = "the " + std::string(whose) + "'s connection limit is " + std::to_string(limit) + ", " +
              std::to_string(in_use) + " of them in use";
    };
    narrow("role", budget.role_limit, budget.role_in_use);
    narrow("database", budget.database_limit, budget.database_in_use);
    if (needed <= free) return {};
    auto const fitting = free - static_cast<std::int64_t>(others);
    return std::to_string(workers) + " workers need " + std::to_string(needed) + " connections more, and " + why +
           ": " +
           (fitting > 0 ? "take --workers " + std::to_string(fitting) + " at most, or raise the limit"
                        : "raise the limit");
}

}  // namespace pgtally::lab
