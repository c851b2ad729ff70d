#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/event.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace pgtally::db {

namespace asio = boost::asio;

/// Limits of a listener.
struct listener_limits {
    /// After this time without input, a trivial query checks whether the peer still answers. Range: > 0.
    std::chrono::milliseconds keepalive_interval{15'000};
    /// The time limit for the answer to that query and to LISTEN. Range: > 0.
    std::chrono::milliseconds keepalive_timeout{10'000};
    /// Events that were not fetched. If there are more, the queue is discarded (see `listening`). Range: >= 1.
    std::size_t max_queued{100'000};
    /// Bytes of their payloads. If there are more, the queue is discarded.
    std::size_t max_queued_bytes{std::size_t{64} * 1024 * 1024};
};

/// What a listener did since it was constructed.
struct listener_counters {
    std::uint64_t connects = 0;          ///< times that LISTEN committed
    std::uint64_t connect_failures = 0;  ///< attempts that failed before that
    std::uint64_t losses = 0;            ///< connections lost after that, including by reconnect()
    std::uint64_t notifications = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t batches = 0;     ///< returned by next()
    std::uint64_t keepalives = 0;  ///< sent
    std::uint64_t overflows = 0;   ///< queues discarded
};

/// Receives notifications and reconnects by itself (PostgreSQL manual, "LISTEN", "NOTIFY").
///
/// Model
///  1. run() connects, sends LISTEN for all channels in one transaction, and reads. If the connection is lost,
///     run() reconnects. The pauses grow from about 100 ms to 10 s (config::retry), and start short again if a
///     connection lasted at least as long as the longest pause.
///  2. next() returns everything that arrived since its last call, in order.
///  3. `listening` follows each committed LISTEN. A program that mirrors data loads it then: a load that begins
///     after `listening`, together with the notifications that follow, has no gap.
///  4. `lost` follows the loss of the connection, and a change of the reason why connecting fails; it does not
///     follow every attempt. Between `lost` and `listening`, only notifications that arrive with the answer to
///     LISTEN are delivered. They are real, but others may be missing.
///
/// Guarantees
///  - The socket is always read, whether or not next() is called: a listener that does not read holds back
///    vacuum, and finally blocks NOTIFY itself. listener_limits bounds the queue.
///  - The connection is never in a transaction, which would withhold notifications.
///  - Wake-ups and allocations cost per batch, not per notification.
///
/// Not promised
///  - A connection that answers may still not deliver: a pooler may accept LISTEN and never notify. Only a
///    notification of your own that comes back proves delivery. If it does not come back, call reconnect().
///  - PostgreSQL may fold equal payloads of one transaction into one.
///
/// *Lifetime*: destroying the object is stop(). run() and next() then end and do not use the object.
///
/// *Threads*: one implicit strand of the executor.
class listener {
public:
    /// Does no I/O and ignores settings.query_timeout.
    ///
    /// *Preconditions*: at least one channel, of 1 to 63 bytes without NUL; otherwise throws
    /// std::invalid_argument. Names are taken literally, including case.
    listener(asio::any_io_executor executor, config settings, std::vector<std::string> channels,
             listener_limits limits = listener_limits());
    listener(listener const&) = delete;
    listener& operator=(listener const&) = delete;
    ~listener();

    /// Runs until stop(), or until its coroutine is cancelled, which calls stop() and throws operation_aborted.
    ///
    /// *Errors*: throws no other error, except busy if run() was called before.
    asio::awaitable<void> run();

    /// Waits for events and returns all of them. An empty span means that stop() was called; remaining events are
    /// dropped then.
    ///
    /// *Lifetime*: the span and what it refers to are valid until the next call of next() or the destruction of
    /// the listener.
    ///
    /// *Errors*: busy if next() is already awaited.
    asio::awaitable<std::span<event const>> next();

    /// The operations with a completion token as the last argument (async.hpp).
    template <detail::token_for<void> Token>
    auto async_run(Token&& token)
    {
        return detail::start(executor(), run(), std::forward<Token>(token));
    }
    template <detail::token_for<std::span<event const>> Token>
    auto async_next(Token&& token)
    {
        return detail::start(executor(), next(), std::forward<Token>(token));
    }

    /// Closes the current connection, if any, and reconnects at once. A pending retry pause ends. `reason` is the
    /// reason of `lost`.
    void reconnect(std::string reason);

    /// Ends a pending retry pause as soon as it has lasted for 100 ms: the server is known to answer. Without one it does
    /// nothing.
    void retry_now() noexcept;

    /// Ends run() and next() for good, at the next turn of the event loop. Safe to call at any time.
    void stop() noexcept;

    [[nodiscard]] bool is_listening() const noexcept;
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;  ///< of the current connection; 0: not connected
    [[nodiscard]] listener_counters const& counters() const noexcept;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace pgtally::db
