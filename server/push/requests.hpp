#pragma once

#include <pgtally/cache/question.hpp>
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
// that a number and a string stay distinct. The protocol checks `limit` and `around` of a question against the limits; its
// counter and its key are checked here, once the tally is known.
struct subscribe_request {
    std::string id;
    std::string tally;
    std::optional<std::vector<std::string>> keys;  // none: every key
    std::optional<cache::since_point> since;
    std::chrono::milliseconds interval{0};
    std::optional<cache::question> asks{};  // a top, the sum or a rank; then there are no keys
};

// Why the server refuses a request.
struct refusal {
    std::string id;  // empty: the request names no subscription
    std::string_view code;
    std::string message;
    std::optional<std::string> key{};  // with the code bad_key: which
};

}  // namespace pgtally::server
