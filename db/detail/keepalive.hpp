#pragma once

#include <chrono>
#include <optional>

namespace pgtally::db::detail {

/// When to ask a silent peer whether it is there, and when to take no answer for one. Pure.
class keepalive {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::milliseconds;

    enum class todo {
        nothing,  ///< look again at next()
        ask,      ///< then say asked()
        give_up,  ///< the answer is overdue
    };

    /// Both > 0.
    keepalive(duration interval, duration timeout) : interval_(interval), timeout_(timeout) {}

    void connected(time_point now) noexcept
    {
        heard_at_ = now;
        asked_at_.reset();
    }
    void heard(time_point now) noexcept { heard_at_ = now; }
    void asked(time_point now) noexcept { asked_at_ = now; }
    void answered() noexcept { asked_at_.reset(); }

    /// `in_flight`: answers are due that may take their time, and only a question that was asked before
    /// them can be overdue.
    [[nodiscard]] todo look(time_point now, bool in_flight) const noexcept
    {
        if (asked_at_) return now - *asked_at_ >= timeout_ ? todo::give_up : todo::nothing;
        return !in_flight && now - heard_at_ >= interval_ ? todo::ask : todo::nothing;
    }

    [[nodiscard]] time_point next(time_point now) const noexcept
    {
        if (asked_at_) return *asked_at_ + timeout_;
        return now - heard_at_ < interval_ ? heard_at_ + interval_ : now + interval_;
    }

private:
    duration interval_;
    duration timeout_;
    time_point heard_at_{};
    std::optional<time_point> asked_at_{};
};

}  // namespace pgtally::db::detail
