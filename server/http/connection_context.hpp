#pragma once

#include <pgtally/server/base/access_log.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/address_places.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/fair_turns.hpp>
#include <pgtally/server/http/request_handler.hpp>
#include <pgtally/server/http/tls.hpp>
#include <pgtally/server/http/traffic.hpp>

#include <cstddef>
#include <vector>

namespace pgtally::server {

// The numbers of connections that are served, and of those that are refused because there are too many.
struct places {
    std::size_t served = 0, refused = 0;
};

// What connections need from the service. Lifetime: all referenced objects outlive the connections.
struct connection_context {
    limits const& bounds;
    request_handler& requests;
    upgrade_handler& upgrades;
    clients& connected;
    traffic& counted;
    access_log& accesses;
    bool const& closing;                     // the server takes no new clients any more
    std::vector<ip_network> const& trusted;  // the proxies that say who their clients are
    address_places& by_address;              // of the public addresses
    tls_identity const* tls;                 // of the public addresses; null: they do not encrypt
    fair_turns& handshakes;
    places open_places{}, admin_places{};  // of all public addresses together, of the admin address
};

}  // namespace pgtally::server
