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

/// How a session behaves. An aggregate: make it before the co_await expression that passes it.
struct session_config {
    /// query_timeout is the deadline of each call that names none; retry has the pauses between two
    /// connections.
    config connection{};

    /// Statements kept prepared on the connection. 0: none, as a pooler wants it that gives each
    /// transaction another connection.
    std::size_t statement_cache{256};
    /// Longer ones are not prepared: the cache keeps their text.
    std::size_t max_prepared_bytes{std::size_t{16} * 1024};

    /// Calls sent and not yet answered; others wait for their turn. >= 1.
    std::size_t max_in_flight{256};
    /// Bytes of them; one call goes in any case.
    std::size_t max_in_flight_bytes{std::size_t{1} * 1024 * 1024};
    /// Calls that wait for their turn; one more is refused (overloaded). >= 1.
    std::size_t max_queued{10'000};
    /// Bytes of them; one waits in any case.
    std::size_t max_queued_bytes{std::size_t{64} * 1024 * 1024};

    /// When nothing was answered for so long and nothing is in flight, the server is asked whether it
    /// is still there. > 0.
    std::chrono::milliseconds keepalive_interval{15'000};
    /// How long its answer may take until the connection counts as lost, and with it the calls that were
    /// sent meanwhile (connection_lost). > 0. A silence of both together is as much, where calls are in
    /// flight that their callers have all given up.
    std::chrono::milliseconds keepalive_timeout{10'000};
};

/// What a session did since it was made.
struct session_counters {
    std::uint64_t connects = 0;
    std::uint64_t connect_failures = 0;
    std::uint64_t losses = 0;      ///< connections lost, or closed for a statement not fit to be shared
    std::uint64_t sent = 0;        ///< calls, a second time counted again
    std::uint64_t answered = 0;    ///< calls whose caller got a result or the server's error
    std::uint64_t failed = 0;      ///< of these, the errors
    std::uint64_t prepared = 0;    ///< statements prepared
    std::uint64_t displaced = 0;   ///< of these, deallocated to make room
    std::uint64_t healed = 0;      ///< calls sent again because their prepared statement was stale
    std::uint64_t withdrawn = 0;   ///< calls given up by their caller before they were sent
    std::uint64_t dropped = 0;     ///< answers that nobody waited for any more
    std::uint64_t overloaded = 0;  ///< calls refused
    std::uint64_t keepalives = 0;  ///< sent
    std::size_t in_flight_max = 0;
    std::size_t queued_max = 0;
};

/// One connection that any number of coroutines use at once, by libpq's pipeline mode.
///
/// Model
///  1. run() connects, sends what callers ask for and reads the answers; it connects again whenever
///     the connection is lost. A call that was not sent waits for that, up to its deadline.
///  2. Each call is a transaction of its own: what fails, fails for its caller alone. Calls are
///     sent first come first served, those of coroutines that are suspended at once together.
///  3. Statements are prepared at first use and kept, by their text. One that the server does not
///     know any more (DISCARD, DEALLOCATE) or whose columns changed is run again without: it had
///     not run.
///  4. A deadline, or Asio's cancellation of the caller, ends a call, not the connection: what is
///     not sent is withdrawn, what is sent has its answer dropped.
///
/// Guarantees
///  - What may have run is never sent again: calls that were sent when the connection broke fail
///    with connection_lost, or closed after stop().
///  - Memory is bounded, but for results: see session_config.
///  - A statement that leaves a transaction open (BEGIN) fails with not_shareable, and the
///    connection is closed before anybody is told of a success in that transaction. So does COPY.
///  - Destroying the object is stop(); run() and the calls then end by themselves and need nothing
///    of it.
///
/// Not promised
///  - Answers come in the order of the calls: a slow statement delays all others. Set
///    statement_timeout in on_connect; long ones and transactions have a connection of their own.
///  - Settings (SET), temporary tables and advisory locks are everybody's, and gone after a
///    reconnect.
///  - That a peer which vanishes while somebody waits for a call in flight is noticed before TCP does: a
///    statement may take its time, and only deadlines say how much. An idle one is asked, see
///    keepalive_interval. Once all calls in flight have been given up, by a deadline or cancellation, a
///    silence of keepalive_interval and keepalive_timeout together ends the connection, and with it a
///    statement that takes longer: whoever waits for its turn gets it on the next connection.
///  - That calls outlive a question of the keep-alive they were sent behind: without its answer they are lost
///    with the connection.
///  - That calls run in the order they were made, when one of them had to be sent again.
///
/// Threads: one implicit strand, that of the executor. config::log is called there too.
class session : public detail::async_queries<session> {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Does no I/O.
    session(asio::any_io_executor executor, session_config settings);
    session(session const&) = delete;
    session& operator=(session const&) = delete;
    ~session();

    /// Ends by stop(), or when its coroutine is cancelled (which is a stop() and throws
    /// operation_aborted). Throws nothing else; a second run() throws error (busy).
    asio::awaitable<void> run();

    /// Ends run() and all calls, soon and for good; safe at any time.
    void stop() noexcept;

    /// Runs one statement, with $1, $2, ... from `values` (see params), and gives the result as text.
    /// Throws error: server_error, connection_lost, timed_out, closed, overloaded, not_shareable,
    /// bad_parameter, or operation_aborted when cancelled.
    template <class... P>
    asio::awaitable<result_set> query(std::string sql, P const&... values)
    {
        return call(core_, ask(std::move(sql), params(std::in_place, values...), false), std::nullopt);
    }

    /// The same, with a deadline of its own.
    template <class... P>
    asio::awaitable<result_set> query(time_point until, std::string sql, P const&... values)
    {
        return call(core_, ask(std::move(sql), params(std::in_place, values...), false), until);
    }

    /// The same with typed rows. Throws bad_result too, when columns and Row do not match (see rows).
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

    /// The same, each with a completion token as its last argument (see async.hpp).
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
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;  ///< at present; 0: not connected
    [[nodiscard]] std::size_t in_flight() const noexcept;        ///< sent, and their answers are due
    [[nodiscard]] std::size_t queued() const noexcept;           ///< not sent
    [[nodiscard]] session_counters const& stats() const noexcept;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    using core_ptr = std::shared_ptr<detail::session_core>;

    using request_ptr = std::shared_ptr<detail::request>;

    // At once, so that what a call sends is moved once, not from frame to frame.
    static request_ptr ask(std::string&& sql, params&& values, bool binary);

    // Not coroutines of `this`: the frames own all they use.
    static asio::awaitable<result_set> call(core_ptr core, request_ptr asked, std::optional<time_point> until);

    core_ptr core_;
};

}  // namespace pgtally::db
