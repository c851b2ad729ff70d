#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::server {

// What the sessions count. The metrics read it.
struct traffic {
    // Answers by route and status. Routes are patterns, so clients cannot make the map grow without bound.
    std::map<std::pair<std::string_view, unsigned>, std::uint64_t> requests{};

    std::uint64_t changes_pushed = 0;     // values pushed to clients
    std::uint64_t changes_conflated = 0;  // changes that newer ones replaced before they were pushed
    std::uint64_t bytes_sent = 0;         // of answers and messages

    // Clients that were cut, by the reason: they took no byte, did not answer a ping, or did not answer a close.
    std::uint64_t cut_stalled = 0, cut_silent = 0, cut_unclosed = 0;

    std::uint64_t handshakes_failed = 0;  // of TLS

    // Called with the route of a request that waited for nothing, and with the seconds until its answer was sent.
    std::function<void(std::string_view, double)> on_answered{};

    // `route` is a literal.
    void request(std::string_view route, unsigned status) { ++requests[{route, status}]; }
};

}  // namespace pgtally::server
