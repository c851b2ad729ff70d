#pragma once

#include <pgtally/db/transaction.hpp>

#include <array>

namespace pgtally::lab {

struct isolation_level {
    char const* name;  ///< its name in SQL
    db::isolation value;
};

[[nodiscard]] constexpr std::array<isolation_level, 3> isolation_levels() noexcept
{
    return {{{"read committed", db::isolation::read_committed},
             {"repeatable read", db::isolation::repeatable_read},
             {"serializable", db::isolation::serializable}}};
}

}  // namespace pgtally::lab
