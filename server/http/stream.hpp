#pragma once

// The stream under HTTP and WebSockets: the one place that knows whether it is encrypted.
//
// The sessions use what this file declares, and only `async_read_some`, `async_write_some` and `get_executor` of a
// stream. To serve TLS, make `client_stream` an asio::ssl::stream<tcp_stream>, and adapt `make_stream` and `handshake`.
// test/server/tls compiles the sessions with such a file.
//
// Only the sessions, `answer_writer` and `upgrade` include this file, because Beast is slow to compile.

#include <pgtally/server/base/net.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

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

// The handshake before the first request. If it returns false, the connection must close. The caller sets the deadline.
// `received` has the bytes that came already; the handshake takes those that are its own.
inline asio::awaitable<bool> handshake(client_stream&, beast::flat_buffer& /*received*/)
{
    co_return true;
}

// The socket's own layer, which has the deadline and can be cancelled and closed.
inline tcp_stream& tcp_of(client_stream& stream) noexcept
{
    return beast::get_lowest_layer(stream);
}

}  // namespace pgtally::server
