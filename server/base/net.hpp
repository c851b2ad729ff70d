#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pgtally::server {

namespace asio = boost::asio;

using tcp = asio::ip::tcp;

// TCP and Unix sockets alike. All sockets use the one io_context of the program: a type-erased executor would make each
// larger and slower.
using stream_protocol = asio::generic::stream_protocol;
using stream_socket = asio::basic_stream_socket<stream_protocol, asio::io_context::executor_type>;
using stream_acceptor = asio::basic_socket_acceptor<stream_protocol, asio::io_context::executor_type>;

// A completion token that returns the error as a value: a failure of the peer is an expected outcome.
inline constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

}  // namespace pgtally::server
