#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <boost/assert.hpp>

#include <optional>
#include <utility>

namespace pgtally::db::detail {

namespace asio = boost::asio;

/// Holds the completion handler of one waiting coroutine until it is called: a condition variable that is cheaper
/// than a timer.
///
/// *Lifetime*: the waiter outlives the wait. The handler owns the coroutine's frame. If that frame also owns the
/// waiter, both live for ever unless the handler is called or dropped. So the owner of a waiter must make sure
/// that something which Asio destroys along with its context calls drop().
class waiter {
    using handler = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

public:
    waiter() = default;
    waiter(waiter const&) = delete;
    waiter& operator=(waiter const&) = delete;

    /// One coroutine at a time. Ends by now(), by soon(), or by cancellation of the coroutine.
    asio::awaitable<void> wait()
    {
        auto const start = [](handler given, waiter* self) { self->keep(std::move(given)); };
        return asio::async_initiate<asio::use_awaitable_t<> const, void()>(start, asio::use_awaitable, this);
    }

    [[nodiscard]] bool waited_for() const noexcept { return handler_.has_value(); }

    /// True if the last wait ended by cancellation.
    [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }

    /// Resumes the waiting coroutine, if any, before this function returns, if its executor allows that. Call it
    /// only where the coroutine may safely do anything.
    void now()
    {
        if (auto taken = take()) asio::dispatch(std::move(*taken));
    }

    /// Resumes it from the event loop.
    void soon()
    {
        if (auto taken = take()) asio::post(std::move(*taken));
    }

    /// Destroys the waiting coroutine.
    void drop() noexcept { take(); }

private:
    void keep(handler given)
    {
        BOOST_ASSERT(!handler_);
        cancelled_ = false;
        auto slot = asio::get_associated_cancellation_slot(given);
        if (slot.is_connected()) {
            slot.assign([this](asio::cancellation_type) {
                cancelled_ = true;
                soon();
            });
        }
        handler_.emplace(std::move(given));
    }

    // Asio clears the slot when the handler is called, which is too late for a handler that is posted.
    std::optional<handler> take() noexcept
    {
        if (!handler_) return std::nullopt;
        auto taken = std::exchange(handler_, std::nullopt);
        asio::get_associated_cancellation_slot(*taken).clear();
        return taken;
    }

    std::optional<handler> handler_{};
    bool cancelled_ = false;
};

}  // namespace pgtally::db::detail
