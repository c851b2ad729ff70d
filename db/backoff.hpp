#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace pgtally::db {

/// Bounds of the pauses between two attempts. 0 < first <= cap; values outside are raised to fit.
struct backoff_limits {
    std::chrono::milliseconds first{100};
    std::chrono::milliseconds cap{10'000};
};

/// Growing pauses: the n-th is drawn evenly from [first, min(cap, first * 2^n)], so that clients
/// that lost the same server do not return in step. Pure: chance comes from outside, time is not
/// read.
class backoff {
public:
    /// random() yields numbers in [0, 1).
    backoff(backoff_limits limits, std::function<double()> random)
        : first_(std::max(limits.first, std::chrono::milliseconds{1}))
        , cap_(std::max(limits.cap, first_))
        , random_(std::move(random))
    {
    }

    /// The next pause.
    [[nodiscard]] std::chrono::milliseconds next()
    {
        // Halving the cap instead of doubling the bound keeps the product from overflowing.
        bound_ = bound_.count() == 0 ? first_ : bound_;
        bound_ = bound_ > cap_ / 2 ? cap_ : bound_ * 2;
        auto const width = static_cast<double>((bound_ - first_).count());
        auto const drawn = static_cast<std::int64_t>(std::clamp(random_(), 0.0, 1.0) * (width + 1));
        return std::min(first_ + std::chrono::milliseconds{drawn}, bound_);
    }

    /// Begins again with the shortest; call it after a while of health, not at the first success.
    void reset() noexcept { bound_ = std::chrono::milliseconds{0}; }

    [[nodiscard]] std::chrono::milliseconds cap() const noexcept { return cap_; }

private:
    std::chrono::milliseconds first_;
    std::chrono::milliseconds cap_;
    std::chrono::milliseconds bound_{0};
    std::function<double()> random_;
};

}  // namespace pgtally::db
