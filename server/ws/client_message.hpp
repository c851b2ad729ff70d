#pragma once

#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/push/requests.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pgtally::server {

// What a client says over its WebSocket.

using subscribe_message = subscribe_request;

struct track_message {
    std::string id;
    std::vector<std::string> keys;
};

struct untrack_message {
    std::string id;
    std::vector<std::string> keys;
};

struct unsubscribe_message {
    std::string id;
};

struct auth_message {
    std::string token;
};

struct ping_message {};

using client_message = std::variant<subscribe_message, track_message, untrack_message, unsubscribe_message,
                                    auth_message, ping_message, refusal>;

// Any text decodes to a message or a refusal. Unknown members are ignored.
client_message decode_client_message(std::string_view text, limits const& bounds);

}  // namespace pgtally::server
