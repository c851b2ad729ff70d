#pragma once

#include <pgtally/cache/subscription.hpp>
#include <pgtally/server/base/limits.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pgtally::server {

// What a client says over its WebSocket.
//
// An id is kept as the JSON text that it is echoed as, `1` or `"1"`, so that the two differ and need no type of their
// own.

struct subscribe_message {
    std::string id;
    std::string tally;
    std::optional<std::vector<std::string>> keys;  // none: every key
    std::optional<cache::since_point> since;
    std::chrono::milliseconds interval{0};
};

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

struct ping_message {};

// What the server says of a message that it does not follow.
struct refusal {
    std::string id;  // empty: the message had none that could be used
    std::string_view code;
    std::string message;
};

using client_message =
    std::variant<subscribe_message, track_message, untrack_message, unsubscribe_message, ping_message, refusal>;

// Any text at all decodes to a message or a refusal. Members that are not known are passed over.
client_message decode_client_message(std::string_view text, limits const& bounds);

}  // namespace pgtally::server
