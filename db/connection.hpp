#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/event.hpp>
#include <pgtally/db/params.hpp>
#include <pgtally/db/result.hpp>
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

/// One connection to PostgreSQL, for coroutines.
///
/// Model
///  1. connect() resolves the names of the hosts by Asio's resolver and tries each address in
///     order, every step of libpq's PQconnectPoll when the socket is ready for it.
///  2. query(), query_as() and script() each send, then read until the server is ready for the
///     next. One operation at a time: a second one fails at once with errc::busy.
///  3. A server's error is thrown when everything that belongs to the statement has been read, so
///     that the connection is usable right after. Every other failure ends the connection:
///     is_open() is false, connect() makes a new one.
///  4. close() is synchronous. What waits then throws errc::closed, at the next turn of the loop.
///
/// Guarantees
///  - Nothing blocks but what libpq reads by itself: password, service and certificate files,
///    Kerberos caches.
///  - SQL and parameters are copied before the first wait.
///  - An operation that fails by connection_lost, timed_out or closed may have taken effect or not.
///  - Destroying the object is close(); an operation that still waits ends by itself and needs
///    nothing of this object.
///  - Neither errors nor log lines hold the connection string, a password or a parameter (but a
///    server's own message may quote data).
///
/// Not promised
///  - No queue: whoever shares a connection takes turns. No reconnect: only a listener does.
///  - COPY is refused (bad_result, and the connection is closed).
///  - Notifications that arrive here are dropped: a listener has a connection of its own.
///  - A deadline, or Asio's cancellation of the waiting coroutine, closes the connection: the
///    protocol has no way to leave a statement halfway.
///
/// Threads: one implicit strand, that of the executor. config::log is called there too.
class connection {
public:
    /// Does no I/O.
    explicit connection(asio::any_io_executor executor);

    connection(connection&& other) noexcept;             ///< of the other only the destructor remains
    connection& operator=(connection&& other) noexcept;  ///< closes first
    ~connection();

    /// Closes what is open, then connects and runs on_connect. Throws error: bad_config,
    /// connect_failed, login_failed, timed_out (no address answered in time), server_error
    /// (on_connect), closed.
    asio::awaitable<void> connect(config settings);

    /// Runs one statement, with $1, $2, ... from `values` (see params), and gives the result as text.
    /// Throws error: server_error, connection_lost, timed_out, closed, busy, bad_parameter.
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
        return run_as<Row>(core_, std::move(sql), params(std::in_place, values...));
    }

    /// Runs any number of statements separated by semicolons, as one transaction unless they say
    /// otherwise. The first error ends it and is thrown; results are dropped.
    asio::awaitable<void> script(std::string sql);

    /// The longest an operation may take from now on; 0: as long as it likes. connect() sets it to
    /// config::query_timeout.
    void set_timeout(std::chrono::milliseconds timeout) noexcept;

    /// Ends the connection at once; safe at any time.
    void close() noexcept;

    /// Rolls back the transaction that is open, if there is one, without waiting: a coroutine of its own
    /// does, within the timeout of an operation (5 s if there is none), or closes the connection. The next
    /// operation waits until that is done. In the middle of an operation it closes the connection.
    void leave_transaction() noexcept;

    /// Waits until what leave_transaction() began has ended, one way or the other. Throws error: busy (another
    /// one waits for that), or operation_aborted when cancelled, which leaves the connection alone.
    asio::awaitable<void> settled();

    /// False before connect, after close, and after a failure. True says only that nobody noticed
    /// yet.
    [[nodiscard]] bool is_open() const noexcept;

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
    static asio::awaitable<rows<Row>> run_as(core_ptr core, std::string sql, params values)
    {
        auto result = co_await run(std::move(core), std::move(sql), std::move(values), true);
        co_return rows<Row>(std::move(result));
    }

    core_ptr core_;
};

}  // namespace pgtally::db
