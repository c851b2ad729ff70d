#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/queries.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/event.hpp>
#include <pgtally/db/params.hpp>
#include <pgtally/db/result.hpp>
#include <pgtally/db/rows.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::db {

namespace asio = boost::asio;

namespace detail {
class session_core;
struct request;
}  // namespace detail

/// How a session behaves.
///
/// *Preconditions*: this is an aggregate; give it a name before the co_await expression that passes it.
struct session_config {
    /// config::query_timeout is the deadline of each call that passes none. config::retry sets the pauses between
    /// two connections.
    config connection{};

    /// Statements that stay prepared on the connection; 0: none. Use 0 behind a pooler that gives each
    /// transaction another server connection.
    std::size_t statement_cache{256};
    /// The largest text of a statement that is prepared, in bytes; the cache keeps the text.
    std::size_t max_prepared_bytes{std::size_t{16} * 1024};

    /// Calls sent and not yet answered. Others wait. Range: >= 1.
    std::size_t max_in_flight{256};
    /// Bytes of those calls. A single call may exceed it.
    std::size_t max_in_flight_bytes{std::size_t{1} * 1024 * 1024};
    /// Calls that may wait. One more fails with overloaded. Range: >= 1.
    std::size_t max_queued{10'000};
    /// Bytes of those calls. A single call may exceed it.
    std::size_t max_queued_bytes{std::size_t{64} * 1024 * 1024};

    /// If nothing was answered for this time and nothing is in flight, a keep-alive checks the server. Range: >
    /// 0.
    std::chrono::milliseconds keepalive_interval{15'000};
    /// The limit for the answer to a keep-alive. If it passes, the connection is lost, and so are the calls sent
    /// meanwhile (connection_lost). Range: > 0. If all calls in flight were given up, a silence of
    /// keepalive_interval + keepalive_timeout also counts as a loss.
    std::chrono::milliseconds keepalive_timeout{10'000};
};

/// What a session did since it was constructed.
struct session_counters {
    std::uint64_t connects = 0;
    std::uint64_t connect_failures = 0;
    std::uint64_t losses = 0;      ///< connections lost, or closed because of a statement that cannot be shared
    std::uint64_t sent = 0;        ///< calls; one that is sent again counts again
    std::uint64_t answered = 0;    ///< calls that ended with a result or a server error
    std::uint64_t failed = 0;      ///< of these, server errors
    std::uint64_t prepared = 0;    ///< statements prepared
    std::uint64_t displaced = 0;   ///< of these, deallocated to make room
    std::uint64_t healed = 0;      ///< calls sent again because their prepared statement was stale
    std::uint64_t withdrawn = 0;   ///< calls given up by their caller before they were sent
    std::uint64_t dropped = 0;     ///< answers of calls that were given up
    std::uint64_t overloaded = 0;  ///< calls refused
    std::uint64_t keepalives = 0;  ///< sent
    std::size_t in_flight_max = 0;
    std::size_t queued_max = 0;
};

/// One connection that any number of coroutines use at once, through libpq's pipeline mode (PostgreSQL manual,
/// libpq, "Pipeline Mode").
///
/// Model
///  1. run() connects, sends calls and reads answers. If the connection is lost, run() reconnects. Calls that
///     were not sent wait for the next connection, up to their deadlines.
///  2. Each call is a transaction of its own, so a failure affects only its caller. Calls are sent in order;
///     calls that are waiting at the same time are sent together.
///  3. Statements are prepared at their first use and cached by their text. If the server no longer knows a
///     statement (DISCARD, DEALLOCATE) or its columns changed, the call is sent again unprepared; it had not run.
///  4. A deadline, or Asio's cancellation of the caller, ends the call, not the connection. A call that was not
///     sent is withdrawn; the answer to one that was sent is dropped.
///
/// Guarantees
///  - The session never resends what may have run: if the connection breaks, calls that were sent fail with
///    connection_lost, or with closed after stop().
///  - Memory is bounded, except for results (session_config).
///  - If a statement leaves a transaction open (BEGIN), it fails with not_shareable, and the connection is closed
///    before any caller sees a success in that transaction. COPY also fails so.
///
/// Not promised
///  - Answers come in the order of the calls: one slow statement delays all others. Set statement_timeout in
///    on_connect; use a separate connection for long statements and transactions.
///  - All callers share settings (SET), temporary tables and advisory locks, and lose them on a reconnect.
///  - While a caller waits for a call in flight, a peer that vanishes is noticed only by TCP: a statement may run
///    long, and only deadlines limit it. An idle connection is checked by the keep-alive. Once all calls in
///    flight have been given up, a silence of keepalive_interval + keepalive_timeout ends the connection, and
///    with it a statement that takes longer; waiting calls run on the next connection.
///  - Calls that were sent after a keep-alive are lost with the connection if the keep-alive gets no answer.
///  - If a call has to be sent again, calls may run out of order.
///
/// *Lifetime*: destroying the object is stop(). run() and the calls then end and do not use the object.
///
/// *Threads*: one implicit strand of the executor. config::log is called on the executor.
class session : public detail::async_queries<session> {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Does no I/O.
    session(asio::any_io_executor executor, session_config settings);
    session(session const&) = delete;
    session& operator=(session const&) = delete;
    ~session();

    /// Runs until stop(), or until its coroutine is cancelled, which calls stop() and throws operation_aborted.
    ///
    /// *Errors*: throws no other error, except busy if run() was called before.
    asio::awaitable<void> run();

    /// Ends run() and all calls for good, at the next turn of the event loop. Safe to call at any time.
    void stop() noexcept;

    /// Runs one statement and returns its result as text. `values` are $1, $2, ... (params.hpp).
    ///
    /// *Errors*: server_error, connection_lost, timed_out, closed, overloaded, not_shareable, bad_parameter;
    /// operation_aborted if cancelled.
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return call(core_, ask(std::move(sql), params(std::in_place, values...), false), std::nullopt);
    }

    /// Like query(), with its own deadline.
    template <class... P>
    asio::awaitable<result_set> query(time_point until, std::string sql, P const&... values)
    {
        return call(core_, ask(std::move(sql), params(std::in_place, values...), false), until);
    }

    /// Like query(), with typed rows. Also throws bad_result if the columns do not match Row (rows.hpp).
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(
            call(core_, ask(std::move(sql), params(std::in_place, values...), true), std::nullopt));
    }
    template <class Row, class... P>
    asio::awaitable<rows<Row>> query_as(time_point until, std::string sql, P const&... values)
    {
        return detail::as_rows<Row>(call(core_, ask(std::move(sql), params(std::in_place, values...), true), until));
    }

    /// The operations with a completion token as the last argument (async.hpp).
    using async_queries::async_query;
    using async_queries::async_query_as;
    template <detail::token_for<void> Token>
    auto async_run(Token&& token)
    {
        return detail::start(executor(), run(), std::forward<Token>(token));
    }
    template <class... Args>
    auto async_query(time_point until, std::string sql, Args&&... values_and_token)
    {
        auto const make = [&](auto const&... values) { return query(until, std::move(sql), values...); };
        return detail::start_with(executor(), make, std::forward<Args>(values_and_token)...);
    }
    template <class Row, class... Args>
    auto async_query_as(time_point until, std::string sql, Args&&... values_and_token)
    {
        auto const make = [&](auto const&... values) { return query_as<Row>(until, std::move(sql), values...); };
        return detail::start_with(executor(), make, std::forward<Args>(values_and_token)...);
    }

    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;  ///< of the current connection; 0: not connected
    [[nodiscard]] std::size_t in_flight() const noexcept;        ///< calls sent and not yet answered
    [[nodiscard]] std::size_t queued() const noexcept;           ///< calls not yet sent
    [[nodiscard]] session_counters const& stats() const noexcept;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    using core_ptr = std::shared_ptr<detail::session_core>;

    using request_ptr = std::shared_ptr<detail::request>;

    // Not a coroutine: the contents of a call are moved once, not from frame to frame.
    static request_ptr ask(std::string&& sql, params&& values, bool binary);

    // Static, so that the coroutine frames own everything they use and do not depend on `this`.
    static asio::awaitable<result_set> call(core_ptr core, request_ptr asked, std::optional<time_point> until);

    core_ptr core_;
};

}  // namespace pgtally::db
