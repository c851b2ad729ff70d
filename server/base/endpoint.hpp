#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// A host and a port, or a Unix socket, to listen at or to connect to.
struct endpoint {
    std::string host{};
    std::uint16_t port = 0;  // 0: any free port
    std::string path{};      // of a Unix socket; then host and port mean nothing

    bool is_unix() const noexcept { return !path.empty(); }
    friend bool operator==(endpoint const&, endpoint const&) = default;
};

// Whether a Unix socket can have this path here: absolute, without a NUL, and as long as the system allows (107 bytes).
bool is_socket_path(std::string_view text) noexcept;

// Parses `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080` or `unix:/run/pgtally/public.sock`. Nothing if the text is not
// one, has no port, or the path is no `is_socket_path`.
std::optional<endpoint> parse_endpoint(std::string_view text);

// The text that parse_endpoint() accepts.
std::string to_string(endpoint const& where);

}  // namespace pgtally::server
