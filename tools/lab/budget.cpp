#include "budget.hpp"

#include <algorithm>

namespace pgtally::lab {
namespace {

// The narrowest of the limits.
struct room {
    std::int64_t free = 0;
    std::string why{};  // which limit that is
};

room room_of(connection_budget const& budget)
{
    room found{budget.max_connections - budget.reserved - budget.in_use,
               "the server's max_connections is " + std::to_string(budget.max_connections) + ", " +
                   std::to_string(budget.reserved) + " of them reserved and " + std::to_string(budget.in_use) +
                   " in use"};
    auto const narrow = [&](char const* whose, std::int64_t limit, std::int64_t in_use) {
        if (limit < 0 || limit - in_use >= found.free) return;
        found.free = limit - in_use;
        found.why = "the " + std::string(whose) + "'s connection limit is " + std::to_string(limit) + ", " +
                    std::to_string(in_use) + " of them in use";
    };
    narrow("role", budget.role_limit, budget.role_in_use);
    narrow("database", budget.database_limit, budget.database_in_use);
    return found;
}

}  // namespace

std::size_t fitting(connection_budget const& budget, connection_need const& need)
{
    auto const left = room_of(budget).free - static_cast<std::int64_t>(need.others);
    return left <= 0 ? 0 : std::min(static_cast<std::size_t>(left), need.workers);
}

std::string refusal(connection_budget const& budget, connection_need const& need)
{
    auto const fit = fitting(budget, need);
    if (fit == need.workers) return {};
    auto const todo = fit > 0
                          ? std::string("take ") + need.how + ' ' + std::to_string(fit) + " at most, or raise the limit"
                          : "raise the limit";
    return std::to_string(need.workers) + ' ' + need.who + " need " + std::to_string(need.workers + need.others) +
           " connections more, and " + room_of(budget).why + ": " + todo;
}

std::string shrunk(connection_budget const& budget, connection_need const& need)
{
    return std::to_string(fitting(budget, need)) + ' ' + need.who + " instead of " + std::to_string(need.workers) +
           ": " + room_of(budget).why;
}

}  // namespace pgtally::lab
