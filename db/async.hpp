#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>

/// Completion-token overloads. Each operation `x(...)` that returns asio::awaitable<T> has a twin `async_x(...,
/// token)`. The last argument is any Asio completion token: a callback, use_future, deferred, use_awaitable,
/// as_tuple(...), bind_executor(...). Operations that await a caller's body (savepoint, and in_transaction of a
/// connection) have no twin.
///
///     connection.async_query("select $1::int", 7, [](std::exception_ptr failure, db::result_set result) {...});
///     std::future<db::result_set> later = session.async_query("select 1", asio::use_future);
///
/// Guarantees
///  - The completion signature is void(std::exception_ptr, T), or void(std::exception_ptr) if T is void. T is
///    default-constructed if there is an exception.
///  - The completion handler is called once, on its associated executor (by default the object's), and never from
///    inside the initiating call. An exception from the handler leaves the function that runs the executor
///    (io_context::run).
///  - The arguments are copied before async_x returns.
///  - A `deferred` operation starts when it is called, once.
///
/// Not promised
///  - A handler may never be called if its execution context is stopped or destroyed first.
///
/// *Lifetime*: the operation does not use the object. Destroying the object ends the operation, and its handler
/// is called.
///
/// *Threads*: async_x may be called from any thread, unlike all other members, if the object is neither moved nor
/// destroyed meanwhile. The operation starts on the object's executor, at once if the caller already runs on it.
/// Cancellation of type `terminal` through the handler's slot acts like cancellation of the awaiting coroutine.
/// The signal may be emitted by the thread that uses it; it takes effect on the object's executor.
///
/// *Errors*: futures and coroutines throw what the twin throws, including db::error. Callbacks use error_of() and
/// code_of() (attempt.hpp).
namespace pgtally::db::detail {

namespace asio = boost::asio;

template <class T>
struct completion {
    using signature = void(std::exception_ptr, T);
};
template <>
struct completion<void> {
    using signature = void(std::exception_ptr);
};

template <class Token, class T>
concept token_for = asio::completion_token_for<Token, typename completion<T>::signature>;

/// Cancels one operation, from any thread.
struct canceller {
    explicit canceller(asio::any_io_executor of) : executor(std::move(of)) {}

    asio::any_io_executor executor;
    asio::cancellation_signal signal{};
};

/// A handler with its own cancellation slot and a fallback executor.
template <class Handler>
class completion_handler {
public:
    using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
    using allocator_type = asio::associated_allocator_t<Handler>;
    using cancellation_slot_type = asio::cancellation_slot;

    completion_handler(Handler handler, std::shared_ptr<canceller> by)
        : handler_(std::move(handler)), canceller_(std::move(by))
    {
    }

    [[nodiscard]] executor_type get_executor() const noexcept
    {
        return asio::get_associated_executor(handler_, canceller_->executor);
    }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return asio::get_associated_allocator(handler_); }
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return canceller_->signal.slot(); }

    template <class... Results>
    void operator()(Results&&... results)
    {
        std::move(handler_)(std::forward<Results>(results)...);
    }

private:
    Handler handler_;
    std::shared_ptr<canceller> canceller_;
};

/// Runs an operation on an executor, then calls a handler: co_spawn with safe cancellation. Before Boost 1.83,
/// co_spawn leaves the executor a signal that may already be destroyed; here the signal is shared, and a slot
/// that is emitted too late does nothing. The signal is posted, because a co_spawn coroutine that is cancelled
/// before its first suspension loses its handler.
struct spawn_operation {
    template <class Handler, class T>
    void operator()(Handler handler, asio::any_io_executor executor, asio::awaitable<T> operation) const
    {
        auto const own = std::make_shared<canceller>(executor);
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr(own)](asio::cancellation_type type) {
                auto const self = weak.lock();
                if (self) asio::post(self->executor, [self, type] { self->signal.emit(type); });
            });
        }
        asio::co_spawn(executor, std::move(operation), completion_handler<Handler>(std::move(handler), own));
    }
};

/// Starts an operation that owns everything it uses.
template <class T, token_for<T> Token>
auto start(asio::any_io_executor executor, asio::awaitable<T> operation, Token&& token)
{
    return asio::async_initiate<Token, typename completion<T>::signature>(spawn_operation(), token, std::move(executor),
                                                                          std::move(operation));
}

/// Starts the operation that `make` returns for all arguments but the last one, which is the token.
template <class Make, class... Args>
auto start_with(asio::any_io_executor executor, Make const& make, Args&&... values_and_token)
{
    static_assert(sizeof...(Args) > 0, "the last argument is a completion token");
    constexpr auto last = sizeof...(Args) - 1;
    auto all = std::forward_as_tuple(std::forward<Args>(values_and_token)...);
    auto const pick = [&]<std::size_t... I>(std::index_sequence<I...>) {
        return make(std::as_const(std::get<I>(all))...);
    };
    return start(std::move(executor), pick(std::make_index_sequence<last>()), std::get<last>(std::move(all)));
}

}  // namespace pgtally::db::detail
