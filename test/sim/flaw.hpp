#pragma once

#include <optional>
#include <string_view>

namespace pgtally::sim {

// What is done wrong on purpose, here in the driver and the model, to see that the simulation finds it.
enum class flaw {
    none,
    fence,       // the fence is one transaction too late
    barrier,     // a load does not wait for its barrier
    lock,        // a load does not lock the source before its fence
    comparison,  // a load after the first takes what is served for the truth
    fold,        // events carry no n, so that PostgreSQL folds equal ones
    heartbeat,   // that no heartbeat comes back means nothing
    deltas,      // materialization adds what changed instead of setting values
    applied,     // a write counts as applied without a barrier
    visibility,  // by wal a load does not wait until all that was decoded can be seen
    reopened,    // deafness is not noticed after a transport's second opening
    borrowed,    // a heartbeat that comes back by one transport counts for the other too
    other_lost,  // the loss of a transport is told to the other one's tallies
    stray,       // an event by the wrong transport is applied
};

struct named_flaw {
    std::string_view name;
    flaw what;
};

inline constexpr named_flaw flaws[]{
    {"fence", flaw::fence},           {"barrier", flaw::barrier},   {"lock", flaw::lock},
    {"comparison", flaw::comparison}, {"fold", flaw::fold},         {"heartbeat", flaw::heartbeat},
    {"deltas", flaw::deltas},         {"applied", flaw::applied},   {"visibility", flaw::visibility},
    {"reopened", flaw::reopened},     {"borrowed", flaw::borrowed}, {"other_lost", flaw::other_lost},
    {"stray", flaw::stray},
};

inline std::optional<flaw> flaw_of(std::string_view name) noexcept
{
    for (auto const& each : flaws) {
        if (each.name == name) return each.what;
    }
    return std::nullopt;
}

}  // namespace pgtally::sim
