#include "budget.hpp"

#include <algorithm>

namespace pgtally::lab {

std::string refusal(connection_budget const& budget, connection_need const& need)
{
    auto const needed = static_cast<std::int64_t>(need.workers + need.others);
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
    auto const fitting = free - static_cast<std::int64_t>(need.others);
    return std::to_string(need.workers) + ' ' + need.who + " need " + std::to_string(needed) +
           " connections more, and " + why + ": " +
           (fitting > 0
                ? std::string("take ") + need.how + ' ' + std::to_string(fitting) + " at most, or raise the limit"
                : "raise the limit");
}

}  // namespace pgtally::lab
