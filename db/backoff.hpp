#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace pgtally::db {

/// Bounds of the pause between two attempts. Range: 0 < first <= cap. Values outside the range are raised.
struct backoff_limits {
    std::chrono::milliseconds first{100};
    std::chrono::milliseconds cap{10'000};
};

/// Growing pauses: pause n is drawn evenly from [first, min(cap, first * 2^n)], so that clients that lost the
/// same server do not reconnect in step. A pure class: the caller supplies the random numbers, and no clock is
/// read.
class backoff {
public:
    /// random() returns numbers in [0, 1).
    backoff(backoff_limits limits, std::function<double()> random)
        : first_(std::max(limits.first, std::chrono::milliseconds{1}))
        , cap_(std::max(limits.cap, first_))
        , random_(std::move(random))
    {
    }

    /// Returns the next pause.
    [[nodiscard]] std::chrono::milliseconds next()
    {
        // The comparison halves the cap, because doubling the bound could overflow.
        bound_ = bound_.count() == 0 ? first_ : bound_;
        bound_ = bound_ > cap_ / 2 ? cap_ : bound_ * 2;
        auto const width = static_cast<double>((bound_ - first_).count());
        auto const drawn = static_cast<std::int64_t>(std::clamp(random_(), 0.0, 1.0) * (width + 1));
        return std::min(first_ + std::chrono::milliseconds{drawn}, bound_);
    }

    /// Starts again with the shortest pause. Call it after a period of health, not at the first success.
    void reset() noexcept { bound_ = std::chrono::milliseconds{0}; }

    [[nodiscard]] std::chrono::milliseconds cap() const noexcept { return cap_; }

private:
    std::chrono::milliseconds first_;
    std::chrono::milliseconds cap_;
    std::chrono::milliseconds bound_{0};
    std::function<double()> random_;
};

}  // namespace pgtally::db
