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
    /// When nothing arrived for so long, a trivial query asks whether the peer is still there. > 0.
    std::chrono::milliseconds keepalive_interval{15'000};
    /// How long its answer, and that of LISTEN, may take. > 0.
    std::chrono::milliseconds keepalive_timeout{10'000};
    /// Events not yet fetched; beyond: see `listening`. >= 1.
    std::size_t max_queued{100'000};
    /// Bytes of their payloads.
    std::size_t max_queued_bytes{std::size_t{64} * 1024 * 1024};
};

/// What a listener did since it was made.
struct listener_counters {
    std::uint64_t connects = 0;          ///< LISTEN committed
    std::uint64_t connect_failures = 0;  ///< attempts that did not come so far
    std::uint64_t losses = 0;            ///< connections lost after that, reconnect() among them
    std::uint64_t notifications = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t batches = 0;     ///< handed out by next()
    std::uint64_t keepalives = 0;  ///< sent
    std::uint64_t overflows = 0;   ///< queues thrown away
};

/// Notifications, for as long as it takes.
///
/// Model
///  1. run() connects, sends LISTEN for all channels in one transaction, and reads; it does so
///     again whenever the connection is lost, at first after 100 ms or so, later after up to 10 s
///     (config::retry). The pauses are short again when a connection lasted for the longest of
///     them.
///  2. next() hands over everything that arrived since the last call, in order.
///  3. `listening` comes after LISTEN has committed. Who mirrors something loads it then: a load
///     that begins after `listening` was seen and the notifications that follow it leave no hole.
///  4. `lost` comes when the connection is, and when the reason why it cannot be made changes; not
///     for every attempt. Between `lost` and `listening` no notification comes but such as arrived
///     with the answer to LISTEN: they are real, but others may be missing.
///
/// Guarantees
///  - The socket is always read, whether or not next() is called: a listener that does not read
///    holds back vacuum, and in the end NOTIFY itself. What piles up is bounded by listener_limits.
///  - The connection is never in a transaction, in which notifications would be withheld.
///  - Per batch, not per notification: wake-ups, allocations.
///  - Destroying the object is stop(); run() and next() then end by themselves and need nothing of
///    it.
///
/// Not promised
///  - That a connection which answers also delivers: a pooler in between may take LISTEN and never
///    notify. Only a notification of one's own that comes back proves it; call reconnect() if it
///    does not.
///  - That equal payloads of one transaction come as often as they were sent: PostgreSQL folds
///    them.
///
/// Threads: one implicit strand, that of the executor.
class listener {
public:
    /// Does no I/O. Channels are taken literally (case and all), 1 to 63 bytes each, at least one;
    /// throws std::invalid_argument otherwise. settings.query_timeout is not used.
    listener(asio::any_io_executor executor, config settings, std::vector<std::string> channels,
             listener_limits limits = listener_limits());
    listener(listener const&) = delete;
    listener& operator=(listener const&) = delete;
    ~listener();

    /// Ends by stop(), or when its coroutine is cancelled (which is a stop() and throws
    /// operation_aborted). Throws nothing else; a second run() throws error (busy).
    asio::awaitable<void> run();

    /// Waits until there is something; one consumer at a time, a second one throws error (busy).
    /// Empty only after stop(), whatever was left is dropped then. The span, and what it refers to,
    /// is valid until the next call of next() or the destruction of the listener.
    asio::awaitable<std::span<event const>> next();

    /// The same, each with a completion token as its last argument (see async.hpp).
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

    /// Drops the present connection, if any, and makes it anew at once: an attempt that waits for its
    /// turn is made now. `reason` is that of `lost`.
    void reconnect(std::string reason);

    /// Ends run() and next(), soon and for good; safe at any time.
    void stop() noexcept;

    [[nodiscard]] bool is_listening() const noexcept;
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;  ///< at present; 0: not connected
    [[nodiscard]] listener_counters const& counters() const noexcept;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace pgtally::db
