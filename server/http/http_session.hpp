#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/connection_context.hpp>
#include <pgtally/server/http/place_held.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

enum class address_kind {
    open,   // a public address
    admin,  // the operators' address
};

// The address that a connection came through.
struct entrance {
    address_kind kind = address_kind::open;
    bool loopback = false;   // bound to loopback
    bool encrypted = false;  // its connections begin with TLS
};

// Serves the connection of a client at `from`, or of a proxy there, request after request, until either end closes it. After an
// accepted upgrade, or for an answer that lasts, the upgrade handler or the answer takes the connection. `place` is held until the
// connection ends, whoever serves it.
asio::awaitable<void> serve_connection(stream_socket socket, ip_address from, connection_context& with, entrance where,
                                       place_held place);

// Why a connection is not served.
enum class crowded {
    everywhere,  // `limits::max_clients`
    at_address,  // `limits::max_address_clients`
};

// Answers a connection's first request with 503, and closes it.
asio::awaitable<void> refuse_connection(stream_socket socket, ip_address from, connection_context& with, entrance where,
                                        place_held place, crowded why);

}  // namespace pgtally::server
