#pragma once

// A history: a list of steps as plain numbers, so that it can be generated from a seed, shortened and printed.
//
// If a step is impossible when its turn comes, it is skipped. Therefore every part of a history is itself a history.

#include <cstdint>
#include <vector>

namespace pgtally::sim {

enum class act : std::uint8_t {
    // writers
    write,
    write_unseen,
    write_uncounted,
    truncate,
    rewrite,
    define,
    savepoint,
    rollback_to_savepoint,
    flush,
    show,
    commit,  // flush and show
    rollback,
    // servers
    receive,
    control,
    load,
    reset,
    nag,
    await_write,
    take,
    subscribe,
    hop,  // a subscriber moves to another server
    keep,
    // time, faults
    wait,
    cut_transport,
    hush_transport,
    overflow,
    cut_loader,
    cut_control,
    cut_keeper,
    junk,
    forge,
    rename_source,
    change_unseen,
    restore,
    drop_triggers,
    repair,
    crash,
    failover,
    stop_old,
    quiet,  // the writers pause until everything is at rest
};

struct step {
    act what{};
    std::uint8_t who = 0;   // the session, the server, …
    std::uint32_t how = 0;  // the other parameters of the step, as bits
};

struct history {
    std::uint64_t seed = 0;
    bool wal[2]{};            // the transport of each tally's first definition
    bool changes_by = false;  // definitions may change their transport
    bool numbered = false;    // the schema has numbers of definitions and can be looked at
    bool may_repair = false;
    bool materialize = false;
    bool slow = false;  // servers receive one event at a time, and rarely
    std::uint8_t servers = 1, tallies = 1, loaders = 1, bounds = 0;
    std::uint8_t first_definition[2]{};
    std::vector<step> steps;
};

history make_history(std::uint64_t seed);

}  // namespace pgtally::sim
