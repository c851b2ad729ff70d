#include "crew.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <utility>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;

constexpr auto without_throwing = asio::as_tuple(asio::use_awaitable);

struct group {
    explicit group(asio::any_io_executor executor, std::size_t tasks)
        : running(tasks), changed(executor, asio::steady_timer::time_point::max()), stops(tasks)
    {
    }

    void cancel()
    {
        if (std::exchange(cancelled, true)) return;
        for (auto& stop : stops) stop.emit(asio::cancellation_type::terminal);
    }

    std::size_t running;
    asio::steady_timer changed;
    std::deque<asio::cancellation_signal> stops;
    std::exception_ptr failure{};
    bool cancelled = false;
};

struct gang {
    gang(asio::any_io_executor executor, db::config how, std::size_t workers, job what)
        : settings(std::move(how))
        , missing(workers)
        , each(std::move(what))
        , gate(executor, asio::steady_timer::time_point::max())
    {
    }

    db::config settings;
    std::size_t missing;
    job each;
    asio::steady_timer gate;
    clock::time_point began{};
    clock::time_point ended{};
};

asio::awaitable<void> work(std::shared_ptr<gang> of, std::size_t number)
{
    db::connection own(co_await asio::this_coro::executor);
    auto settings = of->settings;
    co_await own.connect(std::move(settings));
    if (--of->missing == 0) {
        of->began = clock::now();
        of->gate.cancel();
    }
    while (of->missing > 0) {
        co_await of->gate.async_wait(without_throwing);
        // Leaves if this coroutine was cancelled. Opening the gate cancels the timer, not the coroutine.
        auto const state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw db::error(asio::error::operation_aborted, "cancelled");
    }
    co_await of->each(own, number);
    of->ended = clock::now();
}

}  // namespace

asio::awaitable<void> all(std::vector<asio::awaitable<void>> tasks)
{
    auto const executor = co_await asio::this_coro::executor;
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const of = std::make_shared<group>(executor, tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        auto on_end = [of](std::exception_ptr thrown) {
            if (!of->failure) of->failure = thrown;
            --of->running;
            of->changed.cancel();
        };
        asio::co_spawn(executor, std::move(tasks[i]),
                       asio::bind_cancellation_slot(of->stops[i].slot(), std::move(on_end)));
    }
    while (of->running > 0) {
        co_await of->changed.async_wait(without_throwing);
        auto const state = co_await asio::this_coro::cancellation_state;
        if (of->failure || state.cancelled() != asio::cancellation_type::none) of->cancel();
    }
    co_await asio::this_coro::throw_if_cancelled(true);
    if (of->failure) std::rethrow_exception(of->failure);
}

asio::awaitable<std::chrono::steady_clock::duration> crew(db::config settings, std::size_t workers, job each)
{
    auto const executor = co_await asio::this_coro::executor;
    auto const of = std::make_shared<gang>(executor, std::move(settings), workers, std::move(each));
    std::vector<asio::awaitable<void>> tasks;
    for (std::size_t number = 0; number < workers; ++number) tasks.push_back(work(of, number));
    co_await all(std::move(tasks));
    co_return of->ended - of->began;
}

}  // namespace pgtally::lab
