#pragma once

#include <pgtally/server/base/endpoint.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

namespace asio = boost::asio;

// The address in a URL like `http://127.0.0.1:8081`, with or without a slash at the end. The default port is 80. Nothing
// if the text is not a URL, or has another scheme, a path, a query or a user.
std::optional<endpoint> parse_server_url(std::string_view text);

struct http_answer {
    unsigned status = 0;
    std::string body{};
};

// Sends one request without a body, by HTTP/1.1 on a connection of its own.
//
// Errors: throws std::runtime_error with the address and what failed, if it cannot connect, if no whole answer comes
// within `at_most`, or if the answer is larger than 16 MiB.
asio::awaitable<http_answer> ask_server(endpoint where, std::string method, std::string target,
                                        std::chrono::milliseconds at_most);

}  // namespace pgtally::server
