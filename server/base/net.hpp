#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pgtally::server {

namespace asio = boost::asio;

// All sockets use the one io_context of the program. A type-erased executor would make each larger and slower.
using tcp = asio::ip::tcp;
using tcp_socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

// A completion token that returns the error as a value: a failure of the peer is an expected outcome.
inline constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

}  // namespace pgtally::server
