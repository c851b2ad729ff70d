#pragma once

#include <pgtally/server/base/endpoint.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

namespace asio = boost::asio;

// The address of a server: `http://127.0.0.1:8081` with or without a slash at the end; without a port it is 80. Nothing
// if it is none, or of another scheme, or has a path or a user.
std::optional<endpoint> parse_server_url(std::string_view text);

struct http_answer {
    unsigned status = 0;
    std::string body{};
};

// One request without a body, by HTTP/1.1 on a connection of its own. Throws std::runtime_error that says what failed
// where: it cannot connect, no whole answer came within `at_most`, or one of more than 16 MiB.
asio::awaitable<http_answer> ask_server(endpoint where, std::string method, std::string target,
                                        std::chrono::milliseconds at_most);

}  // namespace pgtally::server
