#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/connection_context.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

enum class address_kind {
    open,   // a public address
    admin,  // the operators' address
};

// The address that a connection came through.
struct entrance {
    address_kind kind = address_kind::open;
    bool loopback = false;  // bound to loopback
};

// Serves a connection, request after request, until either end closes it. After an accepted upgrade, or for an answer
// that lasts, the HTTP session is destroyed, and the upgrade handler or the answer serves the connection.
asio::awaitable<void> serve_connection(tcp_socket socket, connection_context& with, entrance where);

// Answers a connection's first request with 503, because there are too many connections, and closes it.
asio::awaitable<void> refuse_connection(tcp_socket socket, connection_context& with);

}  // namespace pgtally::server
