#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/copy.hpp>
#include <pgtally/db/detail/queries.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/event.hpp>
#include <pgtally/db/params.hpp>
#include <pgtally/db/result.hpp>
#include <pgtally/db/row_stream.hpp>
#include <pgtally/db/rows.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace pgtally::db {

namespace asio = boost::asio;

namespace detail {
class connection_core;
}

/// One connection to PostgreSQL, for coroutines. The async_ members take any completion token (async.hpp).
///
/// Model
///  1. connect() resolves host names with Asio's resolver and tries the addresses in order. It calls
///     PQconnectPoll whenever the socket is ready (PostgreSQL manual, "Database Connection Control Functions").
///  2. query(), query_as() and script() send, then read until the server is ready for the next statement. Only
///     one operation runs at a time; a second one fails at once with errc::busy. Streams (row_stream, copy_in,
///     copy_out) are operations that last until their end.
///  3. A server error is thrown after everything that belongs to the statement has been read. The connection is
///     then usable.
///  4. If a deadline passes, or if Asio cancels the waiting coroutine, the operation ends at once and the
///     connection stays open. In the background, recovery asks the server to stop, over a second connection, and
///     drops what the server still sends. The next operation waits for recovery. If recovery takes longer than
///     config::recovery_timeout, the connection is closed.
///  5. If a connection is lost or cannot recover, it is closed: is_open() returns false, and connect() opens a
///     new one. busy, bad_parameter and bad_result leave it usable.
///  6. close() is synchronous. Waiting operations throw errc::closed at the next turn of the event loop.
///
/// Guarantees
///  - SQL and parameters are copied before the first wait.
///  - A cancellation never hits a statement other than the one that it was meant for.
///  - Errors and log lines contain no connection string, password or parameter. The server's own messages may
///    quote data.
///  - Nothing blocks, except what libpq reads itself: password, service and certificate files, Kerberos caches.
///
/// Not promised
///  - No queue: callers that share a connection must take turns. No reconnect: session, pool and listener
///    reconnect.
///  - query() refuses COPY (bad_result).
///  - Notifications that arrive here are dropped. A listener has its own connection.
///  - A statement whose caller gave up may have taken effect, because the server may have been faster.
///  - Cancellation through a pooler that shares one server connection among clients is not supported.
///
/// *Lifetime*: destroying the object is close(). A waiting operation then ends and does not use the object.
///
/// *Threads*: one implicit strand of the executor. config::log is called on the executor.
///
/// *Errors*: every operation throws db::error. If an operation fails with connection_lost, timed_out, closed or
/// operation_aborted, the statement may or may not have taken effect. If it timed out in a transaction that stays
/// open, that transaction is aborted.
class connection : public detail::async_queries<connection> {
public:
    /// Does no I/O.
    explicit connection(asio::any_io_executor executor);

    connection(connection&& other) noexcept;             ///< only the destructor of `other` may be called then
    connection& operator=(connection&& other) noexcept;  ///< closes first
    ~connection();

    /// Closes an open connection, then connects and runs on_connect.
    ///
    /// *Errors*: bad_config, connect_failed, login_failed, tls_failed, read_only, timed_out (no address answered in time), server_error
    /// or connection_lost (on_connect), closed.
    asio::awaitable<void> connect(config settings);

    /// Runs one statement and returns its result as text. `values` are $1, $2, ... (params.hpp). Sends the
    /// statement as an extended query (PQsendQueryParams).
    ///
    /// *Errors*: server_error, connection_lost, timed_out, closed, busy, bad_parameter. The statement was not
    /// sent if the error is busy or bad_parameter, or if it is closed and close() was not called (the operation
    /// waited for a recovery that failed). A statement queued behind recovery fails with 25P01 (server_error) if
    /// its transaction is rolled back first; it was not sent.
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return run(core_, std::move(sql), params(std::in_place, values...), false);
    }

    /// Like query(), with typed rows: `query_as<std::tuple<std::string, std::int64_t>>(...)`.
    ///
    /// *Errors*: those of query(), and bad_result if the columns do not match Row (rows.hpp).
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(run(core_, std::move(sql), params(std::in_place, values...), true));
    }

    /// Runs statements separated by semicolons, as one transaction unless they say otherwise (PostgreSQL manual,
    /// "Multiple Statements in a Simple Query"). The first error ends the script and is thrown. Results are
    /// dropped.
    asio::awaitable<void> script(std::string sql);

    /// Runs one statement and returns its rows one by one, as they arrive (row_stream.hpp). Throws as query()
    /// does.
    template <class Row, class... P>
    asio::awaitable<row_stream<Row>> stream_as(std::string sql, P const&... values)
    {
        return run_stream<Row>(core_, std::move(sql), params(std::in_place, values...));
    }

    /// Runs `copy ... from stdin` (copy.hpp).
    ///
    /// *Errors*: those of query(), and bad_result for any other statement; that statement has run.
    asio::awaitable<db::copy_in> copy_in(std::string sql)
    {
        return run_copy<db::copy_in>(core_, std::move(sql), detail::direction::in);
    }

    /// Runs `copy ... to stdout` (copy.hpp). Throws as copy_in() does.
    asio::awaitable<db::copy_out> copy_out(std::string sql)
    {
        return run_copy<db::copy_out>(core_, std::move(sql), detail::direction::out);
    }

    /// Asks the server to cancel the running statement, if there is one, and does not wait. The statement fails
    /// with server_error 57014 unless it ends first. The request uses a second connection for a moment, which
    /// counts against max_connections; a failed request is logged. If config::recovery_timeout is 0, the
    /// connection is closed instead.
    void cancel() noexcept;

    /// Rolls back an open transaction in the background; the next operation waits for it. Meant for destructors,
    /// which cannot await. If the rollback takes longer than config::recovery_timeout (5 s if that is 0), the
    /// connection is closed.
    void leave_transaction() noexcept;

    /// The operations with a completion token as the last argument: void(std::exception_ptr, T) or
    /// void(std::exception_ptr). They may be started from any thread (async.hpp).
    using async_queries::async_query;
    using async_queries::async_query_as;
    template <detail::token_for<void> Token>
    auto async_connect(config settings, Token&& token)
    {
        return detail::start(executor(), connect(std::move(settings)), std::forward<Token>(token));
    }
    template <detail::token_for<void> Token>
    auto async_script(std::string sql, Token&& token)
    {
        return detail::start(executor(), script(std::move(sql)), std::forward<Token>(token));
    }
    template <class Row, class... Args>
    auto async_stream_as(std::string sql, Args&&... values_and_token)
    {
        auto const make = [&](auto const&... values) { return stream_as<Row>(std::move(sql), values...); };
        return detail::start_with(executor(), make, std::forward<Args>(values_and_token)...);
    }
    template <detail::token_for<db::copy_in> Token>
    auto async_copy_in(std::string sql, Token&& token)
    {
        return detail::start(executor(), copy_in(std::move(sql)), std::forward<Token>(token));
    }
    template <detail::token_for<db::copy_out> Token>
    auto async_copy_out(std::string sql, Token&& token)
    {
        return detail::start(executor(), copy_out(std::move(sql)), std::forward<Token>(token));
    }

    /// Sets the limit for each operation that starts later; 0: no limit. connect() resets it to
    /// config::query_timeout.
    void set_timeout(std::chrono::milliseconds timeout) noexcept;

    /// Closes the connection at once. Safe to call at any time.
    void close() noexcept;

    /// Waits until the recovery that leave_transaction(), a deadline or a cancellation began has ended,
    /// successfully or not.
    ///
    /// *Errors*: busy (an operation already waits for the recovery); operation_aborted if cancelled, which does
    /// not affect the connection.
    asio::awaitable<void> settled();

    template <detail::token_for<void> Token>
    auto async_settled(Token&& token)
    {
        return detail::start(executor(), settled(), std::forward<Token>(token));
    }

    /// False before connect(), after close() and after a failure. True means only that no failure has been
    /// noticed yet.
    [[nodiscard]] bool is_open() const noexcept;

    /// True while an operation is in progress; another one fails with busy.
    [[nodiscard]] bool is_busy() const noexcept;

    /// True if the connection is open and has no operation, recovery or transaction in progress.
    [[nodiscard]] bool is_idle() const noexcept;

    [[nodiscard]] int server_version() const noexcept;              ///< 150020 is 15.20; 0: not connected
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;     ///< 0: not connected
    [[nodiscard]] bool in_transaction() const noexcept;             ///< also true if it failed or is being rolled back
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    friend class pool;
    friend class transaction;
    using core_ptr = std::shared_ptr<detail::connection_core>;

    // Static, so that the coroutine frames own everything they use and do not depend on `this`.
    static asio::awaitable<result_set> run(core_ptr core, std::string sql, params values, bool binary);

    template <class Row>
    static asio::awaitable<row_stream<Row>> run_stream(core_ptr core, std::string sql, params values)
    {
        auto opened = co_await detail::open_rows(std::move(core), std::move(sql), std::move(values));
        co_return row_stream<Row>(std::move(opened));
    }

    template <class Copy>
    static asio::awaitable<Copy> run_copy(core_ptr core, std::string sql, detail::direction which)
    {
        auto opened = co_await detail::open_copy(std::move(core), std::move(sql), which);
        co_return Copy(std::move(opened));
    }

    core_ptr core_;
};

}  // namespace pgtally::db
