#pragma once

#include <pgtally/server/auth/permit.hpp>
#include <pgtally/server/base/audience.hpp>
#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/http/stream.hpp>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <utility>

namespace pgtally::server {

// A connection whose request to become a WebSocket is accepted, and that request.
struct upgrade {
    upgrade(client_stream from, beast::http::request<beast::http::string_body> asked, audience reader, ip_address at,
            permit rights)
        : stream{std::move(from)}, request{std::move(asked)}, who{reader}, client{at}, by{std::move(rights)}
    {
    }
    client_stream stream;
    beast::http::request<beast::http::string_body> request;
    audience who;
    ip_address client;
    permit by;
};

}  // namespace pgtally::server
