#pragma once

#include <pgtally/db/attempt.hpp>
#include <pgtally/db/listener.hpp>
#include <pgtally/db/session.hpp>
#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <tuple>

namespace pgtally::test {

using number = std::tuple<std::int32_t>;
inline constexpr auto aborted = asio::error::operation_aborted;
inline constexpr auto terminal = asio::cancellation_type::terminal;

// A program of callbacks: an io_context, which must have no work left at the end.
struct callbacks : db_fixture {
    asio::io_context context{1};

    void run()
    {
        context.restart();
        context.run_for(std::chrono::minutes{2});
        BOOST_REQUIRE(context.stopped());
    }

    void connect(db::connection& conn)
    {
        std::optional<db::error_code> ended;
        conn.async_connect(settings(), [&](std::exception_ptr failure) { ended = db::code_of(failure); });
        run();
        BOOST_REQUIRE(ended.has_value());
        BOOST_REQUIRE(!*ended);
    }

    [[nodiscard]] db::session_config session_settings() const
    {
        db::session_config result;
        result.connection = settings();
        return result;
    }
};

// Two threads, and a strand for the objects of a test.
struct threads : db_fixture {
    asio::thread_pool pool{2};
    asio::strand<asio::thread_pool::executor_type> strand = asio::make_strand(pool);

    // Objects are used and destroyed only on their strand.
    template <class F>
    void on_strand(F f)
    {
        asio::post(strand, std::packaged_task<void()>(std::move(f))).get();
    }
};

// How a handler was called.
struct called {
    int times = 0;
    db::error_code code{};

    auto handler()
    {
        return [this](std::exception_ptr failure, auto&&...) {
            ++times;
            code = db::code_of(failure);
        };
    }
};

// Returns the error of a future that must have one.
template <class T>
db::error failure_of(std::future<T> later)
{
    std::optional<db::error> thrown;
    BOOST_REQUIRE((later.wait_for(std::chrono::minutes{2}) == std::future_status::ready));
    try {
        later.get();
    } catch (db::error const& caught) {
        thrown = caught;
    }
    BOOST_REQUIRE_MESSAGE(thrown, "it did not fail");
    return *thrown;
}

}  // namespace pgtally::test
