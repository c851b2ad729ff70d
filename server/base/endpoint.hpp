#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// Where to listen.
struct endpoint {
    std::string host;
    std::uint16_t port = 0;  // 0: any that is free
    friend bool operator==(endpoint const&, endpoint const&) = default;
};

// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`. Nothing if it is none: a port is never guessed.
std::optional<endpoint> parse_endpoint(std::string_view text);

// The same spelling again.
std::string to_string(endpoint const& where);

}  // namespace pgtally::server
