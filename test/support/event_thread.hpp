#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <future>
#include <thread>

namespace pgtally::test {

/// An io_context in its own thread, for objects that the test's thread controls.
class event_thread {
public:
    event_thread() = default;
    event_thread(event_thread const&) = delete;
    event_thread& operator=(event_thread const&) = delete;

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

    /// Call it when the io_context has work.
    void start()
    {
        thread_ = std::thread([this] { context_.run(); });
    }

    /// Runs f in that thread and returns when it has finished.
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

    /// Call it when the io_context has no more work.
    void join() { thread_.join(); }

private:
    boost::asio::io_context context_{1};
    std::thread thread_{};
};

}  // namespace pgtally::test
