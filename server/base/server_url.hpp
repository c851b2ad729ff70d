#pragma once

#include <pgtally/server/base/endpoint.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// Where a server of pgtally answers: the value of --url.
struct server_url {
    enum class scheme {
        http,
        https,
        unix_socket,  // HTTP over a Unix socket
    };

    scheme how = scheme::http;
    endpoint where{};    // of http and https
    std::string path{};  // of a Unix socket, absolute
    friend bool operator==(server_url const&, server_url const&) = default;
};

// Parses `http://127.0.0.1:8081`, `https://counters.example.org` or `unix:/run/pgtally/admin.sock`. A slash after a host
// and its port is allowed; the default ports are 80 and 443. Nothing if the text is not one, or has another scheme, a
// query, a user, or a path on a host.
std::optional<server_url> parse_server_url(std::string_view text);

// The URL, with the port, and a slash at the end: for people.
std::string to_string(server_url const& of);

// The value of the field `Host`. A Unix socket has no name; servers answer `localhost` at any address of the machine.
std::string host_field(server_url const& of);

}  // namespace pgtally::server
