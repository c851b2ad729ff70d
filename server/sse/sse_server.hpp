#pragma once

#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/http/push_context.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/push/shared_changes.hpp>
#include <pgtally/server/push/tally_directory.hpp>

#include <random>
#include <string>

namespace pgtally::server {

// What streams of events need from the service. Lifetime: all referenced objects outlive the streams.
struct sse_context {
    push_context const& push;
    tally_directory& tallies;
    shared_changes& shared;
    authority const& who_may;
};

// Answers requests for Server-Sent Events.
class sse_server {
public:
    explicit sse_server(sse_context with) : with_{with} {}

    // A stream of the tally's events, or why there is none. Precondition: `tally` is a text without escapes.
    response open(request const& asked, std::string tally, target const& split);

private:
    std::chrono::milliseconds retry();

    sse_context with_;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace pgtally::server
