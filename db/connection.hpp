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

/// One connection to PostgreSQL, for coroutines and, by the async_ members, for any completion
/// token (see async.hpp).
///
/// Model
///  1. connect() resolves the names of the hosts by Asio's resolver and tries each address in
///     order, every step of libpq's PQconnectPoll when the socket is ready for it.
///  2. query(), query_as() and script() each send, then read until the server is ready for the
///     next. One operation at a time: a second one fails at once with errc::busy. Streams (row_stream,
///     copy_in, copy_out) are operations that last until their end.
///  3. A server's error is thrown when everything that belongs to the statement has been read, so
///     that the connection is usable right after.
///  4. A deadline, and Asio's cancellation of the waiting coroutine, end the operation at once, and
///     the connection lives: in the background the server is asked to stop, over a connection of
///     its own, and what it still sends is dropped. The next operation waits for that. What does not
///     come to rest within config::recovery_timeout is closed.
///  5. A connection that is lost, or could not be brought to rest, is closed: is_open() is false,
///     connect() makes a new one. (busy, bad_parameter and bad_result do it no harm.)
///  6. close() is synchronous. What waits then throws errc::closed, at the next turn of the loop.
///
/// Guarantees
///  - Nothing blocks but what libpq reads by itself: password, service and certificate files,
///    Kerberos caches.
///  - SQL and parameters are copied before the first wait.
///  - An operation that fails by connection_lost, timed_out, closed or operation_aborted may have taken
///    effect or not. (In a transaction that stays open, one that timed out has aborted it.)
///  - A cancellation never hits another statement than the one it was meant for.
///  - Destroying the object is close(); an operation that still waits ends by itself and needs
///    nothing of this object.
///  - Neither errors nor log lines hold the connection string, a password or a parameter (but a
///    server's own message may quote data).
///
/// Not promised
///  - No queue: whoever shares a connection takes turns. No reconnect: a session, a pool and a listener
///    connect again.
///  - COPY by query() is refused (bad_result).
///  - Notifications that arrive here are dropped: a listener has a connection of its own.
///  - That a statement which was given up is undone: the server may have been faster.
///  - Cancelling through a pooler that hands out one server's connection to many.
///
/// Threads: one implicit strand, that of the executor. config::log is called there too.
class connection : public detail::async_queries<connection> {
public:
    /// Does no I/O.
    explicit connection(asio::any_io_executor executor);

    connection(connection&& other) noexcept;             ///< of the other only the destructor remains
    connection& operator=(connection&& other) noexcept;  ///< closes first
    ~connection();

    /// Closes what is open, then connects and runs on_connect. Throws error: bad_config,
    /// connect_failed, login_failed, timed_out (no address answered in time), server_error
    /// or connection_lost (on_connect), closed.
    asio::awaitable<void> connect(config settings);

    /// Runs one statement, with $1, $2, ... from `values` (see params), and gives the result as text.
    /// Throws error: server_error, connection_lost, timed_out, closed, busy, bad_parameter. After busy,
    /// bad_parameter, and closed where nobody called close(), nothing was sent: closed is also what an
    /// operation gets that waits for a recovery which fails. One that waits for it in a transaction which
    /// is left meanwhile is not sent either (server_error, 25P01).
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return run(core_, std::move(sql), params(std::in_place, values...), false);
    }

    /// The same with typed rows: `query_as<std::tuple<std::string, std::int64_t>>(...)`. Throws
    /// bad_result too, when columns and Row do not match (see rows).
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(run(core_, std::move(sql), params(std::in_place, values...), true));
    }

    /// Runs any number of statements separated by semicolons, as one transaction unless they say
    /// otherwise. The first error ends it and is thrown; results are dropped.
    asio::awaitable<void> script(std::string sql);

    /// Runs one statement and gives its rows one by one, as they come (see row_stream). Throws as
    /// query() does.
    template <class Row, class... P>
    asio::awaitable<row_stream<Row>> stream_as(std::string sql, P const&... values)
    {
        return run_stream<Row>(core_, std::move(sql), params(std::in_place, values...));
    }

    /// `copy ... from stdin` (see copy_in). Throws as query() does, and bad_result for any other
    /// statement (which has run).
    asio::awaitable<db::copy_in> copy_in(std::string sql)
    {
        return run_copy<db::copy_in>(core_, std::move(sql), detail::direction::in);
    }

    /// `copy ... to stdout` (see copy_out). Throws likewise.
    asio::awaitable<db::copy_out> copy_out(std::string sql)
    {
        return run_copy<db::copy_out>(core_, std::move(sql), detail::direction::out);
    }

    /// Asks the server to cancel the statement under way, if there is one: it fails with server_error
    /// 57014, unless it was faster. Does not wait. The server is asked over a connection of its own
    /// (one more of max_connections, for a moment); a failure to do so is logged. With
    /// config::recovery_timeout 0 the connection is closed instead.
    void cancel() noexcept;

    /// Rolls back the transaction that is open, if one is, in the background: the next operation waits
    /// for it. For destructors, which cannot await. What takes longer than config::recovery_timeout (5 s if
    /// that is 0) is closed.
    void leave_transaction() noexcept;

    /// The same, each with a completion token as its last argument: void(std::exception_ptr, T) or
    /// void(std::exception_ptr). To be started by any thread.
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

    /// The longest an operation may take from now on; 0: as long as it likes. connect() sets it to
    /// config::query_timeout.
    void set_timeout(std::chrono::milliseconds timeout) noexcept;

    /// Ends the connection at once; safe at any time.
    void close() noexcept;

    /// Waits until what leave_transaction(), a deadline or a cancellation began has ended, one way or the
    /// other. Throws error: busy (an operation waits for that), or operation_aborted when cancelled, which
    /// leaves the connection alone.
    asio::awaitable<void> settled();

    template <detail::token_for<void> Token>
    auto async_settled(Token&& token)
    {
        return detail::start(executor(), settled(), std::forward<Token>(token));
    }

    /// False before connect, after close, and after a failure. True says only that nobody noticed
    /// yet.
    [[nodiscard]] bool is_open() const noexcept;

    /// An operation is under way; another one would be refused.
    [[nodiscard]] bool is_busy() const noexcept;

    /// Open, with no operation, no recovery and no transaction under way.
    [[nodiscard]] bool is_idle() const noexcept;

    [[nodiscard]] int server_version() const noexcept;              ///< 150020 is 15.20; 0: not connected
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;     ///< 0: not connected
    [[nodiscard]] bool in_transaction() const noexcept;             ///< also in a failed one, or one being left
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    friend class pool;
    friend class transaction;
    using core_ptr = std::shared_ptr<detail::connection_core>;

    // Not coroutines of `this`: the frames own all they use.
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
