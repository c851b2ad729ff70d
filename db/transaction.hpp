#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/backoff.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/db/detail/queries.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace pgtally::db {

namespace asio = boost::asio;

enum class isolation {
    server_default,   ///< default_transaction_isolation
    read_committed,   ///< each statement sees what was committed before it
    repeatable_read,  ///< all see what was committed before the first; a conflict is 40001
    serializable,     ///< as if one transaction ran after the other; a conflict is 40001
};

enum class access {
    server_default,  ///< default_transaction_read_only
    read_write,
    read_only,  ///< a statement that writes is 25006
};

struct transaction_options {
    isolation level = isolation::server_default;
    access mode = access::server_default;
    /// With serializable and read_only: wait for a moment from which no conflict can arise. It has no
    /// effect on others.
    bool deferrable = false;
};

/// How often a transaction is done again that failed for others beside it (40001 serialization_failure,
/// 40P01 deadlock_detected).
struct retry_options {
    unsigned attempts = 1;  ///< in all; 0 counts as 1
    /// The pauses between them.
    backoff_limits pauses{std::chrono::milliseconds{5}, std::chrono::milliseconds{1'000}};
};

namespace detail {
struct transaction_state;
using transaction_state_ptr = std::shared_ptr<transaction_state>;
class retrying;
}  // namespace detail

/// A transaction of one connection, from begin() to commit() or rollback().
///
/// Model
///  1. begin() sends BEGIN; statements go by query() and its like, here or on the connection itself.
///  2. commit() succeeds if PostgreSQL committed. A transaction in which a statement failed is rolled back
///     by COMMIT, which is an error here: server_error with state 25P02.
///  3. Destroying the object before that rolls back without waiting (connection::leave_transaction): the
///     connection's next operation waits until it is done.
///
/// Guarantees
///  - Whatever way it is left, cancellation included, the connection ends outside of the transaction or
///    closed.
///  - Once it has ended (committed, left, lost with its connection, even if that was connected anew) nothing
///    runs by it any more: 25P01, and it touches no transaction that came after it.
///  - A savepoint's body takes effect as a whole or not at all. Where it could not be undone the whole
///    transaction cannot be committed any more.
///
/// Not promised
///  - When commit() throws anything but server_error (connection_lost, timed_out, closed, or
///    operation_aborted) it is not known whether the transaction was committed.
///
/// The connection may be moved; closing, connecting or destroying it ends the transaction. Threads: as connection.
class transaction : public detail::async_queries<transaction> {
public:
    transaction() noexcept;  ///< empty: not open, and good for nothing but to be assigned to

    transaction(transaction&& other) noexcept;  ///< the other is empty then
    transaction& operator=(transaction&& other) noexcept;
    ~transaction();

    /// As connection::query. Throws 25P01 too.
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return run(state_, std::move(sql), params(std::in_place, values...), false);
    }

    /// As connection::query_as.
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(run(state_, std::move(sql), params(std::in_place, values...), true));
    }

    /// As connection::script.
    asio::awaitable<void> script(std::string sql);

    /// Throws error: what COMMIT does (23505 or 23503 of a deferred constraint, 40001; the transaction is
    /// rolled back then), 25P02 if it was aborted, 25P01 if it has ended already.
    asio::awaitable<void> commit();

    /// Throws what ROLLBACK does; nothing if the transaction has ended already.
    asio::awaitable<void> rollback();

    /// Runs body() in a savepoint, which gives an awaitable: of nothing, or of what this gives. If it throws, what
    /// it did is undone and the exception thrown on. They nest; names are made up. The body is copied: as it
    /// captures, make it before the co_await expression.
    template <std::invocable Body>
    auto savepoint(Body body)
    {
        return in_savepoint(state_, std::move(body));
    }

    /// The same, each with a completion token as its last argument (see async.hpp). Destroying the object
    /// does not end one that is under way: what it did is rolled back after it, unless it was the commit.
    using async_queries::async_query;
    using async_queries::async_query_as;
    template <detail::token_for<void> Token>
    auto async_script(std::string sql, Token&& token)
    {
        return detail::start(executor(), script(std::move(sql)), std::forward<Token>(token));
    }
    template <detail::token_for<void> Token>
    auto async_commit(Token&& token)
    {
        return detail::start(executor(), commit(), std::forward<Token>(token));
    }
    template <detail::token_for<void> Token>
    auto async_rollback(Token&& token)
    {
        return detail::start(executor(), rollback(), std::forward<Token>(token));
    }

    /// Not committed, not rolled back, and the connection is open.
    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] asio::any_io_executor executor() const noexcept;  ///< the connection's

private:
    friend asio::awaitable<transaction> begin(connection& conn, transaction_options options);
    using core_ptr = std::shared_ptr<detail::connection_core>;

    explicit transaction(detail::transaction_state_ptr state) noexcept;
    // Not coroutines of `this`: the frames own all they use.
    static asio::awaitable<result_set> run(detail::transaction_state_ptr state, std::string sql, params values,
                                           bool binary);
    static asio::awaitable<void> run_script(detail::transaction_state_ptr state, std::string sql);

    static asio::awaitable<transaction> start(connection& conn, transaction_options options);
    static asio::awaitable<transaction> start(core_ptr core, transaction_options options);

    template <class Body>
    static std::invoke_result_t<Body&> in_savepoint(detail::transaction_state_ptr state, Body body);

    detail::transaction_state_ptr state_{};
};

/// Begins a transaction. Throws error: what BEGIN does, 25001 if the connection is in one.
asio::awaitable<transaction> begin(connection& conn, transaction_options options = transaction_options());

/// The same with a completion token (see async.hpp). Where the handler gets an error its transaction is empty.
template <detail::token_for<transaction> Token>
auto async_begin(connection& conn, transaction_options options, Token&& token)
{
    return detail::start(conn.executor(), begin(conn, options), std::forward<Token>(token));
}

namespace detail {

// What a body gives, or why it did not.
template <class T>
struct outcome {
    using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
    std::optional<value_type> value{};
    std::exception_ptr failure{};

    T get()
    {
        if (failure) std::rethrow_exception(failure);
        if constexpr (!std::is_void_v<T>) return std::move(*value);
    }
};

template <class Body, class... Given>
struct body_traits;
template <class Body, class... Given>
    requires std::invocable<Body&, Given...>
struct body_traits<Body, Given...> {
    using value_type = typename std::invoke_result_t<Body&, Given...>::value_type;
};

template <class Body>
struct transaction_body : body_traits<Body, transaction&> {
    static constexpr bool takes_connection = false;
};
template <class Body>
    requires(!std::invocable<Body&, transaction&>)
struct transaction_body<Body> : body_traits<Body, connection&> {
    static constexpr bool takes_connection = true;
};

std::string begin_statement(transaction_options const& options);

asio::awaitable<void> commit(transaction_state_ptr state);
asio::awaitable<void> rollback(transaction_state_ptr state);
enum class savepoint_number : std::uint64_t {};
asio::awaitable<savepoint_number> enter_savepoint(transaction_state_ptr state);
asio::awaitable<void> keep_savepoint(transaction_state_ptr state, savepoint_number which);
// What is spoilt cannot be committed, until it is undone.
void spoil(transaction_state_ptr const& state, savepoint_number which) noexcept;
asio::awaitable<void> undo_savepoint(transaction_state_ptr state, savepoint_number which);

// Whether a transaction is to be done again that failed so; if it is, after a pause.
std::shared_ptr<retrying> start_retrying(retry_options options);
asio::awaitable<bool> again(connection& conn, std::shared_ptr<retrying> attempts, std::exception_ptr failure);

}  // namespace detail

/// What in_transaction() gives: the value of the body's awaitable.
template <class Body>
using body_result = typename detail::transaction_body<Body>::value_type;

/// Runs body(transaction&) or body(connection&) in a transaction: commits when it returns and gives what it gave;
/// when it throws, rolls back and throws that on. When a serialization failure or deadlock (40001, 40P01) comes
/// out of the body or of the commit, all is done again from the beginning, body included, up to `retry.attempts` times
/// in all; then the last failure is thrown. Nothing else is ever done again: above all not a commit whose outcome is
/// not known (see transaction).
///
/// The body must neither commit nor roll back. It is copied: as it captures, make it before the co_await expression.
/// The connection must stay where it is until the end.
template <class Body>
asio::awaitable<body_result<Body>> in_transaction(connection& conn, transaction_options options, retry_options retry,
                                                  Body body)
{
    auto const attempts = detail::start_retrying(retry);
    for (;;) {
        detail::outcome<body_result<Body>> done;
        try {
            auto tx = co_await begin(conn, options);
            if constexpr (detail::transaction_body<Body>::takes_connection) {
                if constexpr (std::is_void_v<body_result<Body>>) co_await body(conn);
                else done.value = co_await body(conn);
            } else {
                if constexpr (std::is_void_v<body_result<Body>>) co_await body(tx);
                else done.value = co_await body(tx);
            }
            co_await tx.commit();
        } catch (...) {
            done.failure = std::current_exception();  // the rollback has begun
        }
        if (!done.failure) co_return done.get();
        bool once_more = false;
        try {
            once_more = co_await detail::again(conn, attempts, done.failure);
        } catch (std::exception const&) {
            // Cancelled: the first failure is the one to be told.
        }
        if (!once_more) co_return done.get();
    }
}

template <class Body>
asio::awaitable<body_result<Body>> in_transaction(connection& conn, transaction_options options, Body body)
{
    return in_transaction(conn, options, retry_options(), std::move(body));
}

template <class Body>
std::invoke_result_t<Body&> transaction::in_savepoint(detail::transaction_state_ptr state, Body body)
{
    using value = typename std::invoke_result_t<Body&>::value_type;
    auto const number = co_await detail::enter_savepoint(state);
    detail::outcome<value> done;
    try {
        if constexpr (std::is_void_v<value>) co_await body();
        else done.value = co_await body();
        co_await detail::keep_savepoint(state, number);
    } catch (...) {
        done.failure = std::current_exception();
    }
    if (!done.failure) co_return done.get();
    detail::spoil(state, number);
    try {
        co_await detail::undo_savepoint(state, number);
    } catch (std::exception const&) {
        // The body's failure is the one to be told; what could not be undone is spoilt.
    }
    co_return done.get();
}

}  // namespace pgtally::db
