#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace pgtally::db::detail {

/// Decides when to send a keep-alive to a silent peer, and when to give the connection up. A pure class.
class keepalive {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::milliseconds;

    enum class todo {
        nothing,  ///< look again at next()
        ask,      ///< send a keep-alive, then call asked()
        give_up,  ///< the answer is overdue
    };

    /// What the peer has not answered yet.
    enum class in_flight {
        nothing,
        awaited,   ///< a caller waits: a statement may be slow, so only a keep-alive sent before it can be overdue
        given_up,  ///< no caller waits: a silence of interval + timeout is a loss
    };

    /// *Preconditions*: both > 0.
    keepalive(duration interval, duration timeout) : interval_(interval), timeout_(timeout) {}

    void connected(time_point now) noexcept
    {
        heard_at_ = now;
        asked_at_.reset();
    }
    void heard(time_point now) noexcept { heard_at_ = now; }
    void asked(time_point now) noexcept { asked_at_ = now; }
    void answered() noexcept { asked_at_.reset(); }

    [[nodiscard]] todo look(time_point now, in_flight what) const noexcept
    {
        if (asked_at_) return now - *asked_at_ >= timeout_ ? todo::give_up : todo::nothing;
        auto const silence = now - heard_at_;
        if (what == in_flight::given_up) return silence >= interval_ + timeout_ ? todo::give_up : todo::nothing;
        return what == in_flight::nothing && silence >= interval_ ? todo::ask : todo::nothing;
    }
    [[nodiscard]] bool is_asking() const noexcept { return asked_at_.has_value(); }

    [[nodiscard]] time_point next(time_point now) const noexcept
    {
        if (asked_at_) return std::min(*asked_at_ + timeout_, now + interval_);  // the answer may come at any time
        auto const silence = now - heard_at_;
        if (silence < interval_) return heard_at_ + interval_;
        auto const last = heard_at_ + interval_ + timeout_;
        return now < last ? std::min(last, now + interval_) : now + interval_;
    }

private:
    duration interval_;
    duration timeout_;
    time_point heard_at_{};
    std::optional<time_point> asked_at_{};
};

}  // namespace pgtally::db::detail
