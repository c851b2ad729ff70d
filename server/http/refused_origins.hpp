#pragma once

#include <pgtally/cache/rate_limiter.hpp>
#include <pgtally/server/base/limits.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// The lines of the log about pages that may not use the server, so that whoever runs it learns which option is missing.
// Anybody can cause them, so only some are written. It reads no clock.
class refused_origins {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit refused_origins(limits const& bounds) : limiter_{bounds.origin_report, bounds.max_origin_reports} {}

    // The line for a request of a page of `origin` to the server that it calls `host`. Nothing if there were too many.
    std::optional<std::string> line(std::string_view origin, std::string_view host, time_point now);

private:
    rate_limiter limiter_;
    std::uint64_t left_out_ = 0;
};

}  // namespace pgtally::server
