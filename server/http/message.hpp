#pragma once

// A request as Beast parses it, and what the rest of the server sees of it.

#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/http_session.hpp>
#include <pgtally/server/http/request.hpp>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace pgtally::server {

namespace beast = boost::beast;

using message_header = beast::http::request_header<>;
using message_type = beast::http::request<beast::http::string_body>;

inline std::string_view view_of(beast::string_view text) noexcept
{
    return {text.data(), text.size()};
}

method method_of(beast::http::verb verb) noexcept;

// Lifetime: the views refer to `header`.
header_facts facts_of(message_header const& header);

// The values of all fields of this name, as one list: RFC 9110, 5.3.
std::string joined(message_header const& header, beast::http::field name);

// Makes one field of several for those lists that are read as one field, by Beast too.
void join_lists(message_header& header);

// What a client that wants a WebSocket sends; nothing if it wants none.
std::optional<handshake_facts> handshake_of(message_header const& header);

// Who sent it, if it came from `peer`.
ip_address client_of(message_header const& header, ip_address const& peer, std::vector<ip_network> const& trusted);

// Lifetime: the views refer to `message`.
request request_of(message_type const& message, entrance where);

}  // namespace pgtally::server
