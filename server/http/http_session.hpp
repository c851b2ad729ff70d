#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/context.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

enum class address_kind {
    open,   // a public address
    admin,  // the operators' address
};

// Serves a connection, request after request, until either end has enough; as a WebSocket from an upgrade on.
asio::awaitable<void> serve_connection(tcp_socket socket, context& with, address_kind where);

// Tells a connection that there are too many, and closes it.
asio::awaitable<void> refuse_connection(tcp_socket socket, context& with);

}  // namespace pgtally::server
