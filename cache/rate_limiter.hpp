#pragma once

#include <algorithm>
#include <chrono>

namespace pgtally {

// Limits how often something is done that any role can request. Occasional requests, and a burst of them, are served at
// once; continuous requests are served once per interval. If serving a request took longer than an interval, the pause
// is as long as serving it took. The limiter reads no clock.
class rate_limiter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    // `burst` requests in succession are served at once.
    // Preconditions: burst >= 1.
    rate_limiter(duration interval, int burst) : interval_{interval}, slack_{interval * (burst - 1)} {}

    // When the next request may be served; a time in the past means at once.
    time_point ready() const noexcept { return paid_until_ == time_point::min() ? paid_until_ : paid_until_ - slack_; }

    void done(time_point now, duration cost = duration::zero()) noexcept
    {
        paid_until_ = std::max(now, paid_until_) + std::max(interval_, cost);
    }

private:
    duration interval_, slack_;
    time_point paid_until_ = time_point::min();
};

}  // namespace pgtally
