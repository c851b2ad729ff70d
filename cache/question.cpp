#include <pgtally/cache/question.hpp>

#include <pgtally/cache/ranking.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace pgtally::cache {

namespace {

// Reads up to `count` ranked rows from place `first` on, 0 is the most.
void read_rows(std::vector<answer::row>& out, counter_table const& table, ranking const& order, std::size_t first,
               std::size_t count)
{
    auto const there = first < order.size() ? std::min(count, order.size() - first) : 0;
    out.resize(there);
    std::array<counter_table::slot, 64> some{};
    for (std::size_t done = 0; done < there;) {
        auto const n = order.read(first + done, std::span{some}.first(std::min(some.size(), there - done)));
        for (std::size_t i = 0; i < n; ++i, ++done) {
            auto& row = out[done];
            auto const values = table.counters(some[i]);
            row.place = first + done + 1;
            row.key.clear();
            table.append_key(some[i], row.key);
            row.counters.assign(values.begin(), values.end());
        }
    }
}

}  // namespace

std::string const* counter_of(question const& what) noexcept
{
    if (auto const* const top = std::get_if<top_question>(&what)) return &top->by;
    if (auto const* const rank = std::get_if<rank_question>(&what)) return &rank->by;
    return nullptr;
}

void answer_top(answer& out, counter_table const& table, ranking const& order, std::size_t limit)
{
    out.place.reset();
    out.of = 0;
    out.sums.clear();
    read_rows(out.rows, table, order, 0, limit);
}

void answer_sum(answer& out, counter_table const& table)
{
    out.rows.clear();
    out.place.reset();
    out.of = table.nonzero();
    out.sums.assign(table.sums().begin(), table.sums().end());
}

void answer_rank(answer& out, counter_table const& table, ranking const& order, key const& k, std::size_t around)
{
    out.of = order.size();
    out.place.reset();
    out.sums.clear();
    auto const row = table.find(k);
    if (row == counter_table::none || table.is_zero(row)) {
        out.rows.clear();
        return;
    }
    auto const place = order.place(row);
    auto const first = place - std::min(place, around);
    out.place = place + 1;
    read_rows(out.rows, table, order, first, place - first + 1 + std::min(around, order.size()));
}

}  // namespace pgtally::cache
