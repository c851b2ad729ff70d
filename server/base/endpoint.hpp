#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// A host and a port, to listen at or to connect to.
struct endpoint {
    std::string host;
    std::uint16_t port = 0;  // 0: any free port
    friend bool operator==(endpoint const&, endpoint const&) = default;
};

// Parses `127.0.0.1:8080`, `localhost:8080` or `[::1]:8080`. Nothing if the text is not one, or has no port.
std::optional<endpoint> parse_endpoint(std::string_view text);

// The text that parse_endpoint() accepts.
std::string to_string(endpoint const& where);

}  // namespace pgtally::server
