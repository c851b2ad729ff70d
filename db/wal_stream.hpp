#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/wal_event.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace pgtally::db {

namespace asio = boost::asio;

namespace detail {
class wal_stream_impl;
}

/// What a wal_stream receives.
struct wal_stream_options {
    /// A publication that exists. One without tables keeps rows out of the stream.
    std::string publication{};
    /// Only messages with exactly this prefix are delivered. May be empty.
    std::string prefix{};
    /// The slot's name is this, the client's process ID and a random number: "wal_stream_4711_5f2c09aa".
    std::string slot_prefix{"wal_stream"};
};

/// Limits of a wal_stream.
struct wal_stream_limits {
    /// How long one attempt to make the slot waits for an open transaction (lock_timeout). The next attempt follows at
    /// once, and begins anew: if transactions that last longer always overlap, no attempt succeeds. A server process
    /// whose client has ended also waits that long. Range: >= 2 ms.
    std::chrono::milliseconds slot_patience{60'000};
    /// How long making the slot takes without a `waiting`; less if slot_patience is shorter. Range: > 0.
    std::chrono::milliseconds slot_notice{1'000};
    /// How often the server is told what is confirmed; more often if a third of its wal_sender_timeout is shorter.
    /// Range: > 0, at most 10 s.
    std::chrono::milliseconds status_interval{1'000};
    /// After this time without input, the server is asked to answer. Range: > 0.
    std::chrono::milliseconds keepalive_interval{15'000};
    /// The time limit for that answer, and for each answer before the stream begins. Range: > 0.
    std::chrono::milliseconds keepalive_timeout{10'000};
    /// Transactions that were not fetched. If there are more, the queue is discarded (see `streaming`). Range: >= 1.
    std::size_t max_queued{100'000};
    /// Bytes of their messages. If there are more, the queue is discarded; a single transaction is always accepted.
    std::size_t max_queued_bytes{std::size_t{64} * 1024 * 1024};
    /// Bytes of one transaction's messages, each counted with 16 bytes more. If there are more, the transaction is
    /// delivered without them (transaction::complete). libpq holds the message that arrives as a whole.
    std::size_t max_transaction_bytes{std::size_t{64} * 1024 * 1024};
};

/// What a wal_stream did since it was constructed.
struct wal_stream_counters {
    std::uint64_t connects = 0;          ///< times that the stream began
    std::uint64_t connect_failures = 0;  ///< attempts that failed before that
    std::uint64_t losses = 0;            ///< streams lost after that, including by reconnect()
    std::uint64_t waits = 0;             ///< `waiting` events
    std::uint64_t transactions = 0;      ///< with messages of the prefix
    std::uint64_t messages = 0;          ///< of the prefix
    std::uint64_t message_bytes = 0;     ///< of their content
    std::uint64_t skipped = 0;           ///< messages of the protocol that carried nothing for us: rows, other prefixes
    std::uint64_t incomplete = 0;        ///< transactions over max_transaction_bytes
    std::uint64_t batches = 0;           ///< returned by next()
    std::uint64_t statuses = 0;          ///< sent
    std::uint64_t keepalives = 0;        ///< statuses that asked the server to answer
    std::uint64_t overflows = 0;         ///< queues discarded
};

/// Receives the logical messages of a database (pg_logical_emit_message with transactional = true) by logical
/// replication, and reconnects by itself (PostgreSQL manual, "Logical Streaming Replication Protocol").
///
/// Model
///  1. run() connects with replication=database, makes a temporary slot, and reads. If the connection is lost, run()
///     reconnects, with a new slot. The pauses grow from about 100 ms to 10 s (config::retry), and start short again
///     if a connection lasted at least as long as the longest pause.
///  2. next() returns everything that arrived since its last call: transactions whole, in the order of their commits.
///  3. `streaming` says that no later transaction is missing. A program that mirrors data loads it then.
///  4. `lost` follows the loss of the connection, and a change of the reason why connecting fails; it does not follow
///     every attempt. After `lost`, nothing is delivered until `streaming`.
///  5. confirm() releases the server's WAL up to there.
///
/// Guarantees
///  - A transaction that aborts, or rolls back to a savepoint, delivers nothing of what it undid. A prepared one is
///    delivered when it is committed, with the xid that it had.
///  - The socket is always read, whether or not next() is called, and the server's questions are answered at once.
///    wal_stream_limits bounds the queue.
///  - If everything delivered is confirmed, the position moves with the server's WAL, also if nothing arrives: an idle
///    database in a busy cluster holds no WAL back.
///
/// Not promised
///  - A transaction may arrive before any snapshot sees it.
///  - A program that takes transactions and confirms none holds WAL back, and blocks a fast shutdown of the server.
///  - DROP DATABASE fails (55006) while the slot is in use.
///
/// *Lifetime*: destroying the object is stop(). run() and next() then end and do not use the object.
///
/// *Threads*: one implicit strand of the executor.
class wal_stream {
public:
    /// Does no I/O and ignores settings.query_timeout.
    ///
    /// *Preconditions*: a publication of 1 to 63 bytes and a prefix, without NUL; a slot_prefix of 1 to 40 characters
    /// of a-z, 0-9 and _; otherwise throws std::invalid_argument.
    wal_stream(asio::any_io_executor executor, config settings, wal_stream_options options,
               wal_stream_limits limits = wal_stream_limits());
    wal_stream(wal_stream const&) = delete;
    wal_stream& operator=(wal_stream const&) = delete;
    ~wal_stream();

    /// Runs until stop(), or until its coroutine is cancelled, which calls stop() and throws operation_aborted.
    ///
    /// *Errors*: throws no other error, except busy if run() was called before.
    asio::awaitable<void> run();

    /// Waits for events and returns all of them. An empty span means that stop() was called; remaining events are
    /// dropped then.
    ///
    /// *Lifetime*: the span and what it refers to are valid until the next call of next() or the destruction of
    /// the stream.
    ///
    /// *Errors*: busy if next() is already awaited.
    asio::awaitable<std::span<wal::event const>> next();

    /// The operations with a completion token as the last argument (async.hpp).
    template <detail::token_for<void> Token>
    auto async_run(Token&& token)
    {
        return detail::start(executor(), run(), std::forward<Token>(token));
    }
    template <detail::token_for<std::span<wal::event const>> Token>
    auto async_next(Token&& token)
    {
        return detail::start(executor(), next(), std::forward<Token>(token));
    }

    /// Says that all transactions delivered up to this `end` are applied: the server may forget them. A position
    /// beyond what was delivered since the last `streaming` counts as all of that.
    void confirm(lsn end);

    /// Closes the current connection, if any, and reconnects at once. A pending retry pause ends. `reason` is the
    /// reason of `lost`.
    void reconnect(std::string reason);

    /// Ends a pending retry pause as soon as it has lasted for 100 ms: the server is known to answer. Without one it does
    /// nothing.
    void retry_now() noexcept;

    /// Ends run() and next() for good, at the next turn of the event loop. Safe to call at any time.
    void stop() noexcept;

    [[nodiscard]] bool is_streaming() const noexcept;
    [[nodiscard]] db::backend_pid backend_pid() const noexcept;  ///< of the current connection; 0: not connected
    [[nodiscard]] wal_stream_counters const& counters() const noexcept;
    [[nodiscard]] std::string const& description() const noexcept;  ///< "host:port/dbname as user"
    [[nodiscard]] asio::any_io_executor executor() const noexcept;

private:
    std::shared_ptr<detail::wal_stream_impl> impl_;
};

}  // namespace pgtally::db
