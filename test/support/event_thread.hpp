#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <future>
#include <thread>

namespace pgtally::test {

/// An io_context in a thread of its own, for what is told things by the test's thread.
class event_thread {
public:
    event_thread() = default;
    event_thread(event_thread const&) = delete;
    event_thread& operator=(event_thread const&) = delete;

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

    /// When there is something to do.
    void start()
    {
        thread_ = std::thread([this] { context_.run(); });
    }

    /// Runs it there; returns when it has.
    template <class F>
    void call(F f)
    {
        std::promise<void> done;
        boost::asio::post(context_, [&] {
            f();
            done.set_value();
        });
        done.get_future().wait();
    }

    /// When there is nothing more to do.
    void join() { thread_.join(); }

private:
    boost::asio::io_context context_{1};
    std::thread thread_{};
};

}  // namespace pgtally::test
