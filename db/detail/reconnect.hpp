#pragma once

#include <pgtally/db/backoff.hpp>
#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/jitter_source.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace pgtally::db::detail {

/// What a listener and a session do between two connections: decides how long to pause and whether to report a
/// reason.
class reconnect {
public:
    using clock = std::chrono::steady_clock;

    struct ended {
        bool was_connected;  ///< true: a connection was lost; false: an attempt failed
        bool news;           ///< a connection was lost, or the reason has changed
        bool to_be_logged;   ///< news, or the same reason again after a while
    };

    reconnect(asio::any_io_executor executor, backoff_limits limits)
        : hurry_(std::move(executor)), retry_(limits, jitter_source())
    {
    }
    reconnect(reconnect const&) = delete;
    reconnect& operator=(reconnect const&) = delete;

    void connected(clock::time_point now)
    {
        since_ = now;
        reason_.forget();
    }
    [[nodiscard]] bool is_connected() const noexcept { return since_.has_value(); }

    /// Records the end of a connection or of an attempt.
    ended report(std::string_view reason, clock::time_point now)
    {
        auto const was_connected = since_.has_value();
        if (was_connected && now - *since_ >= retry_.cap()) retry_.reset();
        since_.reset();
        auto const heard = reason_.hear(reason, now, was_connected);
        return ended{was_connected, heard.news, heard.to_be_logged};
    }

    asio::awaitable<void> pause()
    {
        hurry_.clear();
        soon_ = false;
        pausing_ = true;
        auto const now = clock::now();
        auto const until = now + retry_.next();
        co_await hurry_.wait_until(until);
        if (std::exchange(soon_, false)) {
            auto const least = std::min(until, now + least_pause);
            co_await hurry_.wait_until(least);
        }
        pausing_ = false;
    }
    [[nodiscard]] bool is_pausing() const noexcept { return pausing_; }

    /// Ends a pause.
    void hurry() noexcept
    {
        soon_ = false;
        hurry_.notify();
    }

    /// Ends a pause that has lasted for `least_pause`, or will: where every connection is lost at once, those that end each
    /// other's pauses do not attempt to connect without a pause.
    void retry_now() noexcept
    {
        if (!pausing_) return;
        soon_ = true;
        hurry_.notify();
    }

    static constexpr std::chrono::milliseconds least_pause{100};

private:
    signal hurry_;
    backoff retry_;
    std::optional<clock::time_point> since_{};
    last_reason reason_{};
    bool pausing_ = false;
    bool soon_ = false;  // the pause ends when it has lasted for `least_pause`
};

}  // namespace pgtally::db::detail
