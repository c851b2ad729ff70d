#pragma once

#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/place_held.hpp>
#include <pgtally/server/http/response.hpp>

namespace pgtally::server {

// A connection whose last answer lasts (`response::lasts`), and that answer. Nothing of it is written yet.
struct taken_connection {
    client_stream stream;
    response answer;
    unsigned version = 11;  // 10: HTTP/1.0
    ip_address client{};
    place_held place{};
};

}  // namespace pgtally::server
