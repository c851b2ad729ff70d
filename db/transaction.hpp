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
    repeatable_read,  ///< all statements see what was committed before the first; a conflict is 40001
    serializable,     ///< as if transactions ran one after the other; a conflict is 40001
};

enum class access {
    server_default,  ///< default_transaction_read_only
    read_write,
    read_only,  ///< a statement that writes fails with 25006
};

struct transaction_options {
    isolation level = isolation::server_default;
    access mode = access::server_default;
    /// Waits for a snapshot that cannot conflict (PostgreSQL manual, "SET TRANSACTION"). It has an effect only
    /// with serializable and read_only.
    bool deferrable = false;
};

/// How often a transaction is repeated if it fails because of concurrent transactions: 40001
/// serialization_failure, 40P01 deadlock_detected.
struct retry_options {
    unsigned attempts = 1;  ///< in total; 0 counts as 1
    /// The pauses between attempts.
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
///  1. begin() sends BEGIN. Statements are sent by query() and the other members, here or on the connection
///     itself.
///  2. commit() succeeds only if PostgreSQL committed. PostgreSQL answers COMMIT of a failed transaction with a
///     rollback; commit() reports that as server_error 25P02.
///  3. Destroying the object before the end rolls back without waiting (connection::leave_transaction). The
///     connection's next operation waits for the rollback.
///
/// Guarantees
///  - However the transaction ends, including by cancellation, the connection is afterwards outside the
///    transaction or closed.
///  - After the end (committed, rolled back, or lost with its connection, even if that has reconnected), the
///    object runs no statement: it throws 25P01 and does not touch a later transaction.
///  - The body of a savepoint takes effect completely or not at all. If it cannot be undone, the whole
///    transaction can no longer be committed.
///
/// Not promised
///  - If commit() throws anything but server_error (connection_lost, timed_out, closed, operation_aborted), it is
///    unknown whether the transaction was committed.
///
/// *Lifetime*: the connection may be moved. Closing, connecting or destroying it ends the transaction.
///
/// *Threads*: as connection.
class transaction : public detail::async_queries<transaction> {
public:
    transaction() noexcept;  ///< empty: not open; only assignment is allowed

    transaction(transaction&& other) noexcept;  ///< `other` is then empty
    transaction& operator=(transaction&& other) noexcept;
    ~transaction();

    /// Like connection::query. Also throws 25P01.
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return run(state_, std::move(sql), params(std::in_place, values...), false);
    }

    /// Like connection::query_as. Also throws 25P01.
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(run(state_, std::move(sql), params(std::in_place, values...), true));
    }

    /// Like connection::script. Also throws 25P01.
    asio::awaitable<void> script(std::string sql);

    /// *Errors*: those of COMMIT (23505 or 23503 of a deferred constraint, 40001; the transaction is then rolled
    /// back); 25P02 if the transaction was aborted; 25P01 if it has ended.
    asio::awaitable<void> commit();

    /// Does nothing if the transaction has ended.
    ///
    /// *Errors*: those of ROLLBACK.
    asio::awaitable<void> rollback();

    /// Runs body(), which returns an awaitable, in a savepoint, and returns its value. If the body throws, its
    /// statements are undone and the exception is passed on. Savepoints may be nested; their names are generated.
    ///
    /// *Lifetime*: the body is copied. If it captures, give it a name before the co_await expression.
    template <std::invocable Body>
    auto savepoint(Body body)
    {
        return in_savepoint(state_, std::move(body));
    }

    /// The operations with a completion token as the last argument (async.hpp). Destroying the object does not
    /// end an operation in progress; afterwards the transaction is rolled back, unless the operation was the
    /// commit.
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

    /// True if the transaction is neither committed nor rolled back, and the connection is open.
    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] asio::any_io_executor executor() const noexcept;  ///< the connection's

private:
    friend asio::awaitable<transaction> begin(connection& conn, transaction_options options);
    using core_ptr = std::shared_ptr<detail::connection_core>;

    explicit transaction(detail::transaction_state_ptr state) noexcept;
    // Static, so that the coroutine frames own everything they use and do not depend on `this`.
    static asio::awaitable<result_set> run(detail::transaction_state_ptr state, std::string sql, params values,
                                           bool binary);
    static asio::awaitable<void> run_script(detail::transaction_state_ptr state, std::string sql);

    static asio::awaitable<transaction> start(connection& conn, transaction_options options);
    static asio::awaitable<transaction> start(core_ptr core, transaction_options options);

    template <class Body>
    static std::invoke_result_t<Body&> in_savepoint(detail::transaction_state_ptr state, Body body);

    detail::transaction_state_ptr state_{};
};

/// Begins a transaction.
///
/// *Errors*: those of BEGIN; 25001 if the connection is already in a transaction.
asio::awaitable<transaction> begin(connection& conn, transaction_options options = transaction_options());

/// begin() with a completion token (async.hpp). If there is an error, the handler's transaction is empty.
template <detail::token_for<transaction> Token>
auto async_begin(connection& conn, transaction_options options, Token&& token)
{
    return detail::start(conn.executor(), begin(conn, options), std::forward<Token>(token));
}

namespace detail {

// The value of a body, or its exception.
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
// Marks a savepoint as spoilt: the transaction cannot be committed until that savepoint is undone.
void spoil(transaction_state_ptr const& state, savepoint_number which) noexcept;
asio::awaitable<void> undo_savepoint(transaction_state_ptr state, savepoint_number which);

// again() returns true, after a pause, if the transaction is to be repeated after this failure.
std::shared_ptr<retrying> start_retrying(retry_options options);
asio::awaitable<bool> again(connection& conn, std::shared_ptr<retrying> attempts, std::exception_ptr failure);

}  // namespace detail

/// The result type of in_transaction(): the value of the body's awaitable.
template <class Body>
using body_result = typename detail::transaction_body<Body>::value_type;

/// Runs body(transaction&) or body(connection&) in a transaction. If the body returns, commits and returns the
/// body's value. If the body throws, rolls back and passes the exception on. If the body or the commit fails with
/// a serialization failure or a deadlock (40001, 40P01), the whole transaction is repeated, including the body,
/// up to `retry.attempts` times in total; then the last failure is thrown. Nothing else is repeated, and in
/// particular not a commit whose outcome is unknown (see transaction).
///
/// *Lifetime*: the body is copied. If it captures, give it a name before the co_await expression. The connection
/// must not be moved before the end.
///
/// *Preconditions*: the body neither commits nor rolls back.
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
            // Cancelled: report the first failure instead.
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
        // Report the failure of the body instead. A savepoint that could not be undone stays spoilt.
    }
    co_return done.get();
}

}  // namespace pgtally::db
