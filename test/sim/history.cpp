#include "history.hpp"

#include "random.hpp"

#include <array>

namespace pgtally::sim {

namespace {

struct weight {
    act what;
    std::uint16_t often;
};

constexpr weight weights[]{
    {act::write, 160},
    {act::write_unseen, 6},
    {act::write_uncounted, 6},
    {act::truncate, 14},
    {act::rewrite, 8},
    {act::define, 5},
    {act::savepoint, 16},
    {act::rollback_to_savepoint, 10},
    {act::flush, 60},
    {act::show, 70},
    {act::commit, 60},
    {act::rollback, 12},
    {act::receive, 170},
    {act::control, 70},
    {act::load, 260},
    {act::reset, 10},
    {act::nag, 5},
    {act::await_write, 20},
    {act::take, 60},
    {act::subscribe, 25},
    {act::hop, 15},
    {act::keep, 60},
    {act::wait, 30},
    {act::cut_transport, 8},
    {act::hush_transport, 5},
    {act::overflow, 5},
    {act::cut_loader, 8},
    {act::cut_control, 4},
    {act::cut_keeper, 6},
    {act::junk, 5},
    {act::forge, 4},
    {act::rename_source, 8},
    {act::change_unseen, 6},
    {act::restore, 4},
    {act::drop_triggers, 4},
    {act::repair, 20},
    {act::crash, 3},
    {act::failover, 4},
    {act::stop_old, 4},
    {act::quiet, 4},
};

constexpr std::uint32_t all_weights() noexcept
{
    std::uint32_t sum = 0;
    for (auto const& each : weights) sum += each.often;
    return sum;
}

// Every act by its number out of `all_weights()`.
constexpr auto acts = [] {
    std::array<act, all_weights()> result{};
    std::size_t at = 0;
    for (auto const& each : weights) {
        for (std::uint32_t i = 0; i < each.often; ++i) result[at++] = each.what;
    }
    return result;
}();

}  // namespace

history make_history(std::uint64_t seed)
{
    random chance{random::mix(seed)};
    history out;
    out.seed = seed;
    for (auto& each : out.wal) each = chance.chance(45);
    out.changes_by = chance.chance(30);
    out.numbered = chance.chance(75);
    out.may_repair = chance.chance(60);
    out.materialize = chance.chance(30);
    out.servers = chance.chance(out.materialize || out.wal[0] ? 60 : 15) ? 2 : 1;
    out.tallies = chance.chance(40) ? 2 : 1;
    out.loaders = chance.chance(50) ? 2 : 1;
    out.bounds = static_cast<std::uint8_t>(chance.below(6));
    out.slow = chance.chance(15);
    for (auto& each : out.first_definition) each = static_cast<std::uint8_t>(chance.below(4));
    std::uint32_t const length = 20 + chance.below(chance.chance(30) ? 500 : 150);
    out.steps.reserve(length);
    for (std::uint32_t i = 0; i < length; ++i) {
        auto what = acts[chance.below(all_weights())];
        if (out.materialize && chance.chance(20)) what = act::keep;
        if (out.slow && what == act::receive && chance.chance(85)) what = act::load;
        auto const bits = chance.next();
        out.steps.push_back({what, static_cast<std::uint8_t>(bits >> 56), static_cast<std::uint32_t>(bits)});
    }
    return out;
}

}  // namespace pgtally::sim
