#pragma once

#include "http_address.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <string>

namespace pgtally::lab {

namespace asio = boost::asio;

struct http_answer {
    unsigned status = 0;
    std::string body{};
};

/// One persistent connection with one GET at a time. Throws boost::system::system_error for a failure, an answer
/// of more than 64 KiB, or more than 5 s. Outlives the coroutines of its members.
class http_client {
public:
    http_client(asio::any_io_executor executor, http_address where);

    asio::awaitable<void> connect();
    asio::awaitable<http_answer> get(std::string target);

private:
    http_address where_;
    boost::beast::tcp_stream stream_;
    boost::beast::flat_buffer buffer_{};
};

}  // namespace pgtally::lab
