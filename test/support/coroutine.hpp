#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

namespace pgtally::test {

namespace asio = boost::asio;

/// Runs a coroutine, and what it spawns, to the end on its own io_context. Throws what the coroutine throws, at
/// once. A test that hangs fails after two minutes.
///
///     run([&](asio::any_io_executor executor) -> asio::awaitable<void> { ... });
template <class Body>
void run(Body body)
{
    asio::io_context context{1};
    std::exception_ptr failure;
    auto done = [&](std::exception_ptr thrown) {
        failure = thrown;
        if (thrown) context.stop();
    };
    asio::co_spawn(context, body(asio::any_io_executor(context.get_executor())), std::move(done));
    context.run_for(std::chrono::minutes{2});
    if (failure) std::rethrow_exception(failure);
    if (!context.stopped()) throw std::runtime_error("the test hangs");
}

/// Runs a coroutine concurrently. If it throws, the program ends; so it must catch exceptions that are not a
/// failure of the test.
inline void spawn(asio::any_io_executor executor, asio::awaitable<void> body)
{
    auto done = [](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);
    };
    asio::co_spawn(executor, std::move(body), std::move(done));
}

}  // namespace pgtally::test
