#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/api/api.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/metrics.hpp>
#include <pgtally/server/ws/shared_changes.hpp>

namespace pgtally::server {

// How many connections are served, and how many are being told that there are too many.
struct places {
    std::size_t served = 0, refused = 0;
};

// What every session works with; all of it outlives them.
struct context {
    limits const& bounds;
    replica_set& replicas;
    api& requests;
    metrics& measured;
    clients& connected;
    shared_changes& shared;
    bool const& closing;                   // no new clients any more
    places open_places{}, admin_places{};  // of all public addresses together, of the admin address
};

}  // namespace pgtally::server
