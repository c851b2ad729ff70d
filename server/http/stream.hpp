#pragma once

#include <pgtally/server/base/net.hpp>

#include <boost/beast/core/basic_stream.hpp>

namespace pgtally::server {

namespace beast = boost::beast;

// A socket with a deadline. Only the two sessions include this: Beast is heavy.
using tcp_stream = beast::basic_stream<tcp, asio::io_context::executor_type>;

}  // namespace pgtally::server
