#include "strategy.hpp"

#include <array>

namespace pgtally::lab {

std::span<strategy const* const> strategies() noexcept
{
    static constexpr std::array<strategy const*, 11> all{&update,           &insert,
                                                         &insert_unique,    &trigger_update_insert,
                                                         &trigger_loop,     &trigger_conflict_printed,
                                                         &trigger_conflict, &trigger_daily,
                                                         &notify_row,       &pgtally_notify,
                                                         &pgtally_wal};
    return all;
}

std::vector<std::string> strategy_names()
{
    std::vector<std::string> names;
    for (auto const* one : strategies()) names.emplace_back(one->name);
    return names;
}

}  // namespace pgtally::lab
