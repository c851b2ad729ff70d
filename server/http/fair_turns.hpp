#pragma once

// Lets one of many coroutines compute at a time, and the rest of the loop between two of them.
//
// Model: a step of a TLS handshake may compute for a millisecond. If a thousand clients connect at once, all their steps would
// be ready in the same turn of the loop, and every other client would wait for all of them. So each step takes a turn, and
// passes it on through the loop's own queue: whatever became ready meanwhile runs first.

#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>

#include <deque>
#include <utility>

namespace pgtally::server {

class fair_turns {
public:
    explicit fair_turns(asio::io_context& io) noexcept : io_{io} {}

    // Waits for the turn. Each call must be followed by one of `pass_on`.
    asio::awaitable<void> take()
    {
        if (!std::exchange(taken_, true)) co_return;
        db::detail::signal mine{io_.get_executor()};
        waiting_.push_back(&mine);
        co_await mine.wait();
    }

    void pass_on()
    {
        asio::post(io_, [this] {
            if (waiting_.empty()) {
                taken_ = false;
                return;
            }
            auto* const next = waiting_.front();
            waiting_.pop_front();
            next->notify();
        });
    }

private:
    asio::io_context& io_;
    bool taken_ = false;
    std::deque<db::detail::signal*> waiting_;
};

}  // namespace pgtally::server
