#pragma once

#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/client_stream.hpp>

#include <utility>

namespace pgtally::server {

// A connection whose last answer lasts (`response::lasts`), and that answer. Nothing of it is written yet.
struct taken_connection {
    taken_connection(client_stream from, response with, unsigned http, ip_address at) noexcept
        : stream{std::move(from)}, answer{std::move(with)}, version{http}, client{at}
    {
    }
    client_stream stream;
    response answer;
    unsigned version;  // 10: HTTP/1.0
    ip_address client;
};

}  // namespace pgtally::server
