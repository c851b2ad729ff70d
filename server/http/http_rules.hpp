#pragma once

#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace pgtally::server {

// The facts that decide whether a request's header is acceptable.
struct header_facts {
    unsigned version = 11;
    std::size_t target_bytes = 0, field_bytes = 0;
    std::size_t hosts = 0, origins = 0, content_lengths = 0,
                transfer_encodings = 0;                              // how many of these fields there are
    std::string_view host{}, content_length{}, transfer_encoding{};  // the values of the last ones
    std::optional<std::string_view> target_host{};                   // of an absolute target
};

// Why the header is refused; status 200 if it is not. After a refusal the connection must close, because it is not
// certain where the next request begins.
response refuse_header(header_facts const& facts, limits const& bounds);

// The same for a header that is longer than any acceptable one. If the parser has read the target, the fields are too
// long; otherwise the target is.
response refuse_long_header(bool has_target, limits const& bounds);

// What a request to become a WebSocket says (RFC 6455, 4.2.1).
struct handshake_facts {
    std::size_t keys = 0;
    std::string_view key{};
    std::size_t versions = 0;
    std::string_view version{};
    std::string protocols{};  // offered, a list; empty: none
};

// Why the handshake is refused; status 200 if it is not.
response refuse_handshake(handshake_facts const& facts);

}  // namespace pgtally::server
