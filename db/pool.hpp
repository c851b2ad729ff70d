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

/// How a pool behaves. An aggregate: make it before the co_await expression that passes it.
struct pool_config {
    /// retry has the pauses between attempts after a failure.
    config connection{};

    /// Open, being opened or being cleaned, all together. >= 1.
    std::size_t max_connections{10};
    /// So many are kept ready beside those in use, from the first acquire() on, where max_connections
    /// leaves room.
    std::size_t min_idle{0};

    /// Callers that wait though every connection is in use; one more is refused (overloaded).
    std::size_t max_waiting{1'000};
    /// The longest a caller waits who names no deadline; 0: for ever.
    std::chrono::milliseconds acquire_timeout{30'000};

    /// Attempts to connect at once. >= 1.
    std::size_t max_connecting{4};
    /// The same from a failure to the next success. >= 1.
    std::size_t max_connecting_after_failure{1};

    /// Callers do not wait out a server that cannot be reached: where no connection is open, a failure to
    /// connect is thrown to all who wait, and to all who come until the next attempt, as one that waiting
    /// does not cure is in any case.
    bool fail_fast{false};

    /// One that lay idle for so long is tried before it is handed out; 0: never.
    std::chrono::milliseconds idle_check_after{30'000};
    /// One that lay idle for so long is closed, but for min_idle; 0: never.
    std::chrono::milliseconds max_idle{600'000};
    /// One so old is closed when it is not in use. Up to a tenth less, drawn. 0: never.
    std::chrono::milliseconds max_lifetime{3'600'000};

    /// The longest the trial of a connection, its rollback, or a statement of on_return may take. > 0.
    std::chrono::milliseconds cleanup_timeout{5'000};
    /// SQL run on every connection given back, each by itself, before anybody else gets it; a connection
    /// on which one fails is closed. "discard all" makes it as new, but for what on_connect had set:
    /// repeat that here.
    std::vector<std::string> on_return{};
};

namespace detail {
class pool_impl;
}

/// A connection while it is one's own. Destroying it gives the connection back and never blocks: one
/// that is in a transaction is rolled back beside, one that is closed is replaced, one that is in the
/// middle of an operation is closed. It may outlive the pool; its connection is closed then when it is
/// given back.
class lease {
public:
    lease() noexcept;  ///< empty
    lease(lease&& other) noexcept;
    lease& operator=(lease&& other) noexcept;  ///< gives back first
    ~lease();

    [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }

    /// Not of an empty one. It stays where it is, wherever the lease is moved to.
    [[nodiscard]] connection& operator*() const noexcept { return *connection_; }
    [[nodiscard]] connection* operator->() const noexcept { return connection_.get(); }

    /// The connection will be closed instead of given to somebody else: its session has a state that
    /// others must not see.
    void discard() noexcept { discard_ = true; }

    /// Gives back now; the lease is empty then.
    void give_back() noexcept;

private:
    friend class detail::pool_impl;

    std::shared_ptr<detail::pool_impl> pool_{};
    std::shared_ptr<connection> connection_{};
    std::uint64_t id_ = 0;
    bool discard_ = false;
};

/// A bounded number of connections, taken in turns.
///
/// Model
///  1. acquire() gives an open connection, strictly first come first served. Connections are opened when
///     they are wanted, by coroutines of the pool, and kept for the next.
///  2. One that is given back goes to the next in line, once it is fit: a transaction left open is rolled
///     back, on_return is run, one that is closed is replaced, one too old is closed.
///  3. When connecting fails callers go on waiting, up to their deadlines, while the pool tries again: so
///     few attempts at once as max_connecting_after_failure says, with the growing pauses of
///     config::retry. They begin again with the shortest when a connection has been of use.
///  4. A failure that waiting does not cure (error::permanent()) is thrown at once to all who wait, and
///     to all who come until the next attempt, unless there still is a connection to wait for.
///
/// Guarantees
///  - A caller that leaves (by its deadline, or Asio's cancellation) at whatever moment loses nobody's
///    turn: a connection that was on its way to it goes to the next.
///  - Nobody gets a connection in a transaction. With max_connections the server is never asked for more.
///  - Nothing that may have run is ever sent again, but by in_transaction() with retries.
///  - stop() is synchronous. Destroying the object is stop(); callers that wait then end by themselves and
///    need nothing of it.
///
/// Not promised
///  - Settings (SET), temporary tables, prepared statements and session locks stay with the connection,
///    for the next to find: see pool_config::on_return, lease::discard().
///  - That a connection handed out still works: see idle_check_after. Its operation then fails with
///    connection_lost, and the next lease is another connection.
///  - Connections made ahead of the first acquire(). io_context::run() ends while a pool lives only if no
///    connection is idle, or max_idle and max_lifetime are 0.
///
/// Threads: one implicit strand, that of the executor. config::log is called there too.
class pool : public detail::async_queries<pool> {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Does no I/O, but reads the environment and the service file.
    pool(asio::any_io_executor executor, pool_config settings);
    pool(pool const&) = delete;
    pool& operator=(pool const&) = delete;
    ~pool();

    /// An open connection, outside of a transaction, with config::query_timeout. Throws error:
    /// overloaded, timed_out (the last failure to connect is in its text), closed, what connect() throws
    /// where it is permanent() or fail_fast is set, or operation_aborted when cancelled.
    asio::awaitable<lease> acquire() { return take(impl_, std::nullopt); }
    /// The same with a deadline of its own. One that has passed still gets what is there at once.
    asio::awaitable<lease> acquire(time_point until) { return take(impl_, until); }

    /// Acquires, runs one statement as connection::query does, and gives back. Throws what either throws;
    /// it is not run again.
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

    /// Acquires, does what db::in_transaction does, and gives back. All attempts have the same connection.
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

    /// The same, each with a completion token as its last argument (see async.hpp). The handler's lease is
    /// empty beside an error; an open one that it lets go is given back.
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

    /// Callers that wait fail with closed; connections that are not in use are closed, the others when
    /// they are given back. Safe at any time.
    void stop() noexcept;

    [[nodiscard]] pool_counters counters() const;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    using impl_ptr = std::shared_ptr<detail::pool_impl>;

    // Not coroutines of `this`: the frames own all they use.
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
