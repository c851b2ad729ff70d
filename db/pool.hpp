#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/db/detail/queries.hpp>
#include <pgtally/db/pool_counters.hpp>
#include <pgtally/db/transaction.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::db {

namespace asio = boost::asio;

/// How a pool behaves.
///
/// *Preconditions*: this is an aggregate; give it a name before the co_await expression that passes it.
struct pool_config {
    /// config::retry sets the pauses between attempts to connect after a failure.
    config connection{};

    /// Connections in total: open, connecting or in cleanup. Range: >= 1.
    std::size_t max_connections{10};
    /// Idle connections to keep ready besides those in use, from the first acquire() on and within
    /// max_connections.
    std::size_t min_idle{0};

    /// Callers that may wait for a connection. One more fails with overloaded.
    std::size_t max_waiting{1'000};
    /// The longest wait of a caller that passes no deadline; 0: no limit.
    std::chrono::milliseconds acquire_timeout{30'000};

    /// Attempts to connect at once. Range: >= 1.
    std::size_t max_connecting{4};
    /// Attempts at once between a failure to connect and the next success. Range: >= 1.
    std::size_t max_connecting_after_failure{1};

    /// If true, callers do not wait for a server that cannot be reached: while no connection is open, a failure
    /// to connect is thrown to all waiting callers and to all new ones until the next attempt. Permanent
    /// failures (error::permanent()) are always thrown so.
    bool fail_fast{false};

    /// A connection that was idle for at least this time is tested before it is handed out; 0: never.
    std::chrono::milliseconds idle_check_after{30'000};
    /// A connection beyond min_idle that was idle for this time is closed; 0: never.
    std::chrono::milliseconds max_idle{600'000};
    /// A connection of this age is closed once it is not in use; 0: never. The actual age is up to a tenth less,
    /// at random.
    std::chrono::milliseconds max_lifetime{3'600'000};

    /// The limit for the test of a connection, for its rollback, and for each statement of on_return. Range: > 0.
    std::chrono::milliseconds cleanup_timeout{5'000};
    /// SQL statements to run, one by one, on every returned connection before the next caller gets it. If one
    /// fails, the connection is closed. "discard all" resets the session, including what on_connect set: repeat
    /// that here.
    std::vector<std::string> on_return{};
};

namespace detail {
class pool_impl;
}

/// Exclusive use of one connection of a pool. Destroying the lease returns the connection and does not block. The
/// pool then rolls back an open transaction in the background, replaces a closed connection, and closes a
/// connection whose operation is in progress.
///
/// *Lifetime*: a lease may outlive its pool; its connection is closed when it is returned.
class lease {
public:
    lease() noexcept;  ///< empty
    lease(lease&& other) noexcept;
    lease& operator=(lease&& other) noexcept;  ///< returns its connection first
    ~lease();

    [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }

    /// The connection. Its address does not change when the lease is moved.
    ///
    /// *Preconditions*: the lease is not empty.
    [[nodiscard]] connection& operator*() const noexcept { return *connection_; }
    [[nodiscard]] connection* operator->() const noexcept { return connection_.get(); }

    /// Marks the connection to be closed on return, because its session has state that others must not see.
    void discard() noexcept { discard_ = true; }

    /// Returns the connection now. The lease is then empty.
    void give_back() noexcept;

private:
    friend class detail::pool_impl;

    std::shared_ptr<detail::pool_impl> pool_{};
    std::shared_ptr<connection> connection_{};
    std::uint64_t id_ = 0;
    bool discard_ = false;
};

/// A bounded number of connections, lent to one caller each.
///
/// Model
///  1. acquire() returns an open connection, strictly first come, first served. The pool opens connections on
///     demand and keeps them.
///  2. A returned connection goes to the next caller after cleanup: an open transaction is rolled back, on_return
///     runs, a closed connection is replaced, a connection that is too old is closed.
///  3. If connecting fails, callers keep waiting up to their deadlines while the pool retries:
///     max_connecting_after_failure attempts at once, with the growing pauses of config::retry. The pauses start
///     short again after a connection has been useful.
///  4. If a failure is permanent (error::permanent()), it is thrown at once to all waiting callers and to all
///     new ones until the next attempt, unless an open connection is left to wait for.
///
/// Guarantees
///  - A caller that leaves at any moment, by its deadline or by Asio's cancellation, costs no other caller its
///    turn: a connection on its way to it goes to the next.
///  - A lease never starts inside a transaction. The pool never opens more than max_connections.
///  - The pool never resends what may have run, except in_transaction() with retries.
///  - stop() is synchronous.
///
/// Not promised
///  - Settings (SET), temporary tables, prepared statements and session locks stay with the connection, and the
///    next caller sees them: see pool_config::on_return, lease::discard().
///  - A connection that is handed out may be broken (see idle_check_after). Its operation then fails with
///    connection_lost, and the next lease is another connection.
///  - No connection is opened before the first acquire(). io_context::run() returns while a pool exists only if
///    no connection is idle, or if max_idle and max_lifetime are 0.
///
/// *Lifetime*: destroying the object is stop(). Waiting callers then fail and do not use the object.
///
/// *Threads*: one implicit strand of the executor. config::log is called on the executor.
class pool : public detail::async_queries<pool> {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Does no I/O, but reads the environment and the service file.
    pool(asio::any_io_executor executor, pool_config settings);
    pool(pool const&) = delete;
    pool& operator=(pool const&) = delete;
    ~pool();

    /// Returns an open connection, outside a transaction, with config::query_timeout.
    ///
    /// *Errors*: overloaded; timed_out (its text holds the last failure to connect); closed; what connect()
    /// throws, if it is permanent() or fail_fast is set; operation_aborted if cancelled.
    asio::awaitable<lease> acquire() { return take(impl_, std::nullopt); }
    /// Like acquire(), with its own deadline. If the deadline has passed, only an idle connection is returned.
    asio::awaitable<lease> acquire(time_point until) { return take(impl_, until); }

    /// Acquires a connection, runs one statement like connection::query, and returns the connection. The
    /// statement is never run again.
    ///
    /// *Errors*: those of acquire() and connection::query().
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return run(impl_, std::move(sql), params(std::in_place, values...), false);
    }
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(run(impl_, std::move(sql), params(std::in_place, values...), true));
    }

    /// Acquires a connection, runs db::in_transaction on it, and returns it. All attempts use the same
    /// connection.
    template <class Body>
    asio::awaitable<body_result<Body>> in_transaction(transaction_options options, Body body)
    {
        return transact(impl_, options, retry_options(), std::move(body));
    }
    template <class Body>
    asio::awaitable<body_result<Body>> in_transaction(transaction_options options, retry_options retry, Body body)
    {
        return transact(impl_, options, retry, std::move(body));
    }

    /// The operations with a completion token as the last argument (async.hpp). If there is an error, the
    /// handler's lease is empty. A lease that the handler does not keep is returned.
    using async_queries::async_query;
    using async_queries::async_query_as;
    template <detail::token_for<lease> Token>
    auto async_acquire(Token&& token)
    {
        return detail::start(executor(), acquire(), std::forward<Token>(token));
    }
    template <detail::token_for<lease> Token>
    auto async_acquire(time_point until, Token&& token)
    {
        return detail::start(executor(), acquire(until), std::forward<Token>(token));
    }
    template <class Body, detail::token_for<body_result<Body>> Token>
    auto async_in_transaction(transaction_options options, Body body, Token&& token)
    {
        return async_in_transaction(options, retry_options(), std::move(body), std::forward<Token>(token));
    }
    template <class Body, detail::token_for<body_result<Body>> Token>
    auto async_in_transaction(transaction_options options, retry_options retry, Body body, Token&& token)
    {
        auto all = in_transaction(options, retry, std::move(body));
        return detail::start(executor(), std::move(all), std::forward<Token>(token));
    }

    /// Makes waiting callers fail with closed, closes idle connections at once, and the others when they are
    /// returned. Safe to call at any time.
    void stop() noexcept;

    [[nodiscard]] pool_counters counters() const;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    using impl_ptr = std::shared_ptr<detail::pool_impl>;

    // Static, so that the coroutine frames own everything they use and do not depend on `this`.
    static asio::awaitable<lease> take(impl_ptr impl, std::optional<time_point> until);
    static asio::awaitable<result_set> run(impl_ptr impl, std::string sql, params values, bool binary);

    template <class Body>
    static asio::awaitable<body_result<Body>> transact(impl_ptr impl, transaction_options options, retry_options retry,
                                                       Body body)
    {
        auto const held = co_await take(std::move(impl), std::nullopt);
        co_return co_await db::in_transaction(*held, options, retry, std::move(body));
    }

    impl_ptr impl_;
};

}  // namespace pgtally::db
