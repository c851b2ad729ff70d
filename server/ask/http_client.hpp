#pragma once

#include <pgtally/server/ask/server_access.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

struct http_answer {
    unsigned status = 0;
    std::string body{};
};

// Sends one request on a connection of its own, with the token as it is now. A body is JSON.
//
// Errors: throws std::runtime_error with the URL and what failed, if the token cannot be read, if it cannot connect, if
// no whole answer comes within `at_most`, or if the answer is larger than
// `limits::max_answer_bytes`.
asio::awaitable<http_answer> ask_server(server_access access, std::string method, std::string target,
                                        std::chrono::milliseconds at_most, std::string body = {});

}  // namespace pgtally::server
