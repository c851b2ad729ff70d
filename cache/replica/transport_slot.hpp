#pragma once

#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/cache/transport_watch.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace pgtally {

// One transport of a replica set: how to create it, and its state while it is in use.
struct transport_slot {
    transport_factory kind;
    std::shared_ptr<transport> channel;  // null while no tally uses it
    transport_watch watch;
    bool within_transaction = false;

    transport_slot(transport_factory chosen, std::chrono::milliseconds heartbeat)
        : kind{std::move(chosen)}, watch{kind.name, heartbeat}
    {
    }
};

}  // namespace pgtally
