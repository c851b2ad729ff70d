#pragma once

#include <pgtally/server/auth/permit.hpp>
#include <pgtally/server/base/audience.hpp>
#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/place_held.hpp>

#include <string>
#include <utility>

namespace pgtally::server {

// A connection whose request to become a WebSocket is accepted. Nothing is written yet.
struct upgrade {
    client_stream stream;
    std::string key;        // Sec-WebSocket-Key
    std::string protocols;  // Sec-WebSocket-Protocol; empty: the client offers none
    audience who{};
    ip_address client{};
    permit by{};
    std::string received{};  // what came after the request
    place_held place{};
};

}  // namespace pgtally::server
