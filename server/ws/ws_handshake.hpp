#pragma once

#include <string>
#include <string_view>

namespace pgtally::server {

// The answer that makes a connection a WebSocket (RFC 6455, 4.2.2). `key` is the client's Sec-WebSocket-Key. If `protocols`,
// the list that it offers, has `pgtally.v1`, the answer chooses it. `date` is as in date.hpp. Pure.
std::string accept_websocket(std::string_view key, std::string_view protocols, std::string_view date);

}  // namespace pgtally::server
