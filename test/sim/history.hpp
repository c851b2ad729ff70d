#pragma once

// A history: what happens, in what order, as plain numbers, so that it can be made from a seed, cut short and told.
//
// A step that cannot be taken when its turn comes is passed over; so every part of a history is a history.

#include <cstdint>
#include <vector>

namespace pgtally::sim {

enum class act : std::uint8_t {
    // writers
    write,
    write_unseen,
    truncate,
    rewrite,
    define,
    savepoint,
    rollback_to_savepoint,
    flush,
    show,
    commit,  // flush and show
    rollback,
    // our servers
    receive,
    control,
    load,
    reset,
    nag,
    await_write,
    take,
    subscribe,
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
    crash,
    failover,
    stop_old,
    quiet,  // the writers pause until all is settled
};

struct step {
    act what{};
    std::uint8_t who = 0;   // the session, the server, …
    std::uint32_t how = 0;  // everything else, as many bits as it takes
};

struct history {
    std::uint64_t seed = 0;
    bool wal[2]{};            // the transport of each tally's first definition
    bool changes_by = false;  // definitions may change their transport
    bool materialize = false;
    bool slow = false;  // servers receive one event at a time, and rarely
    std::uint8_t servers = 1, tallies = 1, loaders = 1, bounds = 0;
    std::uint8_t first_definition[2]{};
    std::vector<step> steps;
};

history make_history(std::uint64_t seed);

}  // namespace pgtally::sim
