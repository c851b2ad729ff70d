#pragma once

#include <pgtally/server/context.hpp>
#include <pgtally/server/http/stream.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace pgtally::server {

using upgrade_request = beast::http::request<beast::http::string_body>;

// Serves a connection as a WebSocket, from its upgrade to its end.
asio::awaitable<void> serve_websocket(tcp_stream stream, upgrade_request upgrade, context& with);

}  // namespace pgtally::server
