#pragma once

#include <optional>
#include <string_view>

namespace pgtally::sim {

// Faults planted in the driver and the model. The simulation must find each of them.
enum class flaw {
    none,
    // a load's steps, events, subscribers
    fence,       // the fence is one transaction too late
    barrier,     // a load does not wait for its barrier
    lock,        // a load does not lock the source before its fence
    comparison,  // a load after the first uses the served counters as the truth
    fold,        // events carry no n, so PostgreSQL folds equal ones
    heartbeat,   // the server does nothing when no heartbeat comes back
    deltas,      // materialization adds the changes instead of setting values
    applied,     // a write counts as applied without a barrier
    visibility,  // by wal a load does not wait until snapshots see all decoded transactions
    // positions
    position,  // a server counts positions of its own
    early,     // a commit counts as reached before its events are applied
    // the watch over transports
    reopened,    // deafness is not noticed after a transport's second opening
    borrowed,    // a heartbeat that comes back by one transport counts for the other too
    other_lost,  // the loss of a transport is reported to the other one's tallies
    stray,       // an event by the wrong transport is applied
    // the schedule of loads
    unfinished,   // a load that failed or was given up counts as done
    forgotten,    // a reload that is wanted during a load is forgotten
    held,         // a tally is loaded although its source is lost
    pause,        // the pause after a failure does not end
    pacing,       // loads that events cause are not rate-limited
    definitions,  // a load does not wait for the definitions to be read again
    generation,   // a load uses a connection from before the transport opened again
    // what events do not describe
    newer,       // an event of a newer definition is applied by the old one
    broken,      // a change that could not be counted is ignored
    misfit,      // an event that does not fit is ignored
    look,        // a look sees no change
    late,        // a load reads what its source is at its end
    unrepaired,  // what a server may repair it does not
};

struct named_flaw {
    std::string_view name;
    flaw what;
};

inline constexpr named_flaw flaws[]{
    {"fence", flaw::fence},
    {"barrier", flaw::barrier},
    {"lock", flaw::lock},
    {"comparison", flaw::comparison},
    {"fold", flaw::fold},
    {"heartbeat", flaw::heartbeat},
    {"deltas", flaw::deltas},
    {"applied", flaw::applied},
    {"visibility", flaw::visibility},
    {"position", flaw::position},
    {"early", flaw::early},
    {"reopened", flaw::reopened},
    {"borrowed", flaw::borrowed},
    {"other_lost", flaw::other_lost},
    {"stray", flaw::stray},
    {"unfinished", flaw::unfinished},
    {"forgotten", flaw::forgotten},
    {"held", flaw::held},
    {"pause", flaw::pause},
    {"pacing", flaw::pacing},
    {"definitions", flaw::definitions},
    {"generation", flaw::generation},
    {"newer", flaw::newer},
    {"broken", flaw::broken},
    {"misfit", flaw::misfit},
    {"look", flaw::look},
    {"late", flaw::late},
    {"unrepaired", flaw::unrepaired},
};

inline std::optional<flaw> flaw_of(std::string_view name) noexcept
{
    for (auto const& each : flaws) {
        if (each.name == name) return each.what;
    }
    return std::nullopt;
}

}  // namespace pgtally::sim
