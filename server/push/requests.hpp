#pragma once

#include <pgtally/cache/subscription.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// A request to follow a tally, whichever protocol carries it.
//
// An id is the text that names the subscription to the client. The WebSocket's ids are JSON texts, `1` or `"1"`, so
// that a number and a string stay distinct.
struct subscribe_request {
    std::string id;
    std::string tally;
    std::optional<std::vector<std::string>> keys;  // none: every key
    std::optional<cache::since_point> since;
    std::chrono::milliseconds interval{0};
};

// Why the server refuses a request.
struct refusal {
    std::string id;  // empty: the request names no subscription
    std::string_view code;
    std::string message;
};

}  // namespace pgtally::server
