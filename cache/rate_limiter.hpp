#pragma once

#include <algorithm>
#include <chrono>

namespace pgtally {

// How often something is done that anybody can ask for: at once while it is asked for now and then; when it is asked
// for again and again, as often as `interval` allows. What has cost more than an interval is paused for that long.
// Knows no clock.
class rate_limiter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    // `burst` times may come at once, at least 1.
    rate_limiter(duration interval, int burst) : interval_{interval}, slack_{interval * (burst - 1)} {}

    // When it may be done next; a time that is past means at once.
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
