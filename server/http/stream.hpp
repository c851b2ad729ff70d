#pragma once

// The stream under HTTP and WebSockets: the one place that knows whether it is encrypted.
//
// Both sessions and the acceptor are written against what is declared here and nothing more of a stream than
// `async_read_some`, `async_write_some` and `get_executor`. To serve TLS, make `client_stream` an
// asio::ssl::stream<tcp_stream> and `make_stream` create it with its context; test/server/tls compiles the sessions so.
//
// Only the sessions include this file: Beast is heavy.

#include <pgtally/server/base/net.hpp>

#include <boost/beast/core/basic_stream.hpp>

#include <utility>

namespace pgtally::server {

namespace beast = boost::beast;

// A socket with a deadline.
using tcp_stream = beast::basic_stream<tcp, asio::io_context::executor_type>;

using client_stream = tcp_stream;

inline client_stream make_stream(tcp_socket socket)
{
    return client_stream{std::move(socket)};
}

// The socket's own layer, which has the deadline and can be cancelled and closed.
inline tcp_stream& tcp_of(client_stream& stream) noexcept
{
    return beast::get_lowest_layer(stream);
}

}  // namespace pgtally::server
