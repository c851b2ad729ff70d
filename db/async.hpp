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

/// Operations for who does not write coroutines. Each operation `x(...)` that gives an
/// asio::awaitable<T>, but for those with a body to be awaited (savepoint, in_transaction of a
/// connection), has a twin `async_x(..., token)`, whose last argument is any completion token
/// of Asio's: a callback, use_future, deferred, use_awaitable, as_tuple(...), bind_executor(...).
///
///     connection.async_query("select $1::int", 7, [](std::exception_ptr failure, db::result_set result) {...});
///     std::future<db::result_set> later = session.async_query("select 1", asio::use_future);
///
/// Guarantees
///  - The signature is void(std::exception_ptr, T), or void(std::exception_ptr) where T is void:
///    futures and coroutines throw what the twin throws, db::error as it is; callbacks have
///    error_of() and code_of() (attempt.hpp). T is default-constructed beside an exception.
///  - The completion handler is called once, on its associated executor, by default the object's;
///    never from inside the call that starts the operation. What it throws leaves the function that
///    runs the executor (io_context::run).
///  - The arguments are copied before async_x returns. The operation itself starts on the object's
///    executor, at once where the caller runs on it: so async_x, alone of all members, may be called
///    by any thread, as long as the object is neither moved nor destroyed meanwhile.
///  - The operation needs nothing of the object: destroying it ends the operation, and its handler
///    is called.
///  - Cancellation by the slot of the handler, of type `terminal`, is that of the awaiting coroutine.
///    It may be emitted by whichever thread uses the signal: it takes effect on the object's executor.
///
/// Not promised
///  - That a handler is called at all after its execution context was stopped or destroyed.
///  - `deferred` starts the operation when it is called, once.
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

/// What cancels one operation, wherever that is asked for.
struct canceller {
    explicit canceller(asio::any_io_executor of) : executor(std::move(of)) {}

    asio::any_io_executor executor;
    asio::cancellation_signal signal{};
};

/// A handler that has another cancellation slot, and an executor in any case.
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

/// Runs an operation on an executor, then calls a handler: co_spawn, but for cancellation. Before
/// Boost 1.83 that leaves a signal to the executor which may be gone when it comes to it; here it is
/// shared, and what is left in the handler's slot afterwards does nothing. And it is posted: a
/// coroutine of co_spawn that is cancelled before its first suspension loses its handler.
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

/// Starts an operation that owns all it uses.
template <class T, token_for<T> Token>
auto start(asio::any_io_executor executor, asio::awaitable<T> operation, Token&& token)
{
    return asio::async_initiate<Token, typename completion<T>::signature>(spawn_operation(), token, std::move(executor),
                                                                          std::move(operation));
}

/// The same for a call whose last argument is the token: `make` gives the operation for the others.
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
