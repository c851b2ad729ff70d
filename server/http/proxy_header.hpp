#pragma once

// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a proxy that passes a connection on says
// before its first byte: whose connection it is. Only trusted proxies may say so.

#include <pgtally/server/base/ip_network.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace pgtally::server {

struct proxy_header {
    enum class state {
        incomplete,  // more bytes are needed
        absent,      // the connection begins with something else
        complete,
        refused,  // it is not valid, or too long
    };
    state found = state::incomplete;
    std::size_t size = 0;                // if complete: its bytes
    std::optional<ip_address> client{};  // if complete; nothing if the proxy speaks for itself, or does not know
};

// The most bytes of a header: one of version 2 may carry more than the addresses.
inline constexpr std::size_t max_proxy_header_bytes = 2'048;

// `bytes` are the first ones of a connection.
proxy_header read_proxy_header(std::string_view bytes);

}  // namespace pgtally::server
