#pragma once

// The variant of server/http/stream.hpp for TLS. The build compiles the sessions with this file instead of that one, to
// prove that no other file depends on the type of the stream.

#include <pgtally/server/base/net.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <utility>

namespace pgtally::server {

namespace beast = boost::beast;

using tcp_stream = beast::basic_stream<tcp, asio::io_context::executor_type>;

using client_stream = asio::ssl::stream<tcp_stream>;

asio::ssl::context& tls_context();

inline client_stream make_stream(tcp_socket socket)
{
    return client_stream{std::move(socket), tls_context()};
}

inline asio::awaitable<bool> handshake(client_stream& stream, beast::flat_buffer& received)
{
    auto const [failure, size] =
        co_await stream.async_handshake(asio::ssl::stream_base::server, received.data(), as_values);
    received.consume(size);
    co_return !failure;
}

inline tcp_stream& tcp_of(client_stream& stream) noexcept
{
    return beast::get_lowest_layer(stream);
}

}  // namespace pgtally::server
