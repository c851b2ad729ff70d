#pragma once

#include <pgtally/db/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pgtally::db::detail {

namespace asio = boost::asio;

/// Cancels a steady_timer. That cannot fail, although the signature allows it.
inline void cancel(asio::steady_timer& timer) noexcept
{
    try {
        timer.cancel();
    } catch (...) {
        // Cannot happen.
    }
}

/// A timer used as a condition variable: one coroutine waits, anything on the executor notifies. A notify()
/// without a waiter is kept for the next wait; several count as one.
///
/// *Lifetime*: it must outlive the wait. Hold it in a shared_ptr or in what the waiting frame owns.
class signal {
public:
    using clock = asio::steady_timer::clock_type;

    explicit signal(asio::any_io_executor executor) : timer_(std::move(executor)) {}

    /// Returns true if notified, false if the time has come. Throws error (operation_aborted) if the coroutine is
    /// cancelled.
    asio::awaitable<bool> wait_until(clock::time_point when)
    {
        if (!set_) {
            error_code ec;
            timer_.expires_at(when);
            co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
            if (ec && !set_) throw error(ec, "a wait was cancelled");
        }
        co_return std::exchange(set_, false);
    }

    asio::awaitable<bool> wait() { return wait_until(clock::time_point::max()); }

    void notify() noexcept
    {
        set_ = true;
        cancel(timer_);
    }

    void clear() noexcept { set_ = false; }

private:
    asio::steady_timer timer_;
    bool set_ = false;
};

}  // namespace pgtally::db::detail
