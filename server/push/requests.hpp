#pragma once

#include <pgtally/cache/subscription.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// What a client wants to follow, whichever protocol it says it by.
//
// An id is the text that names the subscription to the client. The WebSocket's ids are JSON, `1` or `"1"`, so that the
// two differ and need no type of their own.
struct subscribe_request {
    std::string id;
    std::string tally;
    std::optional<std::vector<std::string>> keys;  // none: every key
    std::optional<cache::since_point> since;
    std::chrono::milliseconds interval{0};
};

// Why the server does not do what a client requests.
struct refusal {
    std::string id;  // empty: the request names no subscription
    std::string_view code;
    std::string message;
};

}  // namespace pgtally::server
