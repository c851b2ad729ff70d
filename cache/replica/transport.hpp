#pragma once

// How events travel from the source's transactions to a replica.
//
// Model
//  1. `run` connects, and connects again after each loss, until `stop`. `next` hands over everything that has arrived,
//     in commit order.
//  2. While the transport is open it hands over every payload that was committed since it opened. If it reports
//     `opened` without `lost` before it, payloads are missing before that `opened`.
//  3. A transport that knows the bounds of transactions hands over `begin`, the payloads and `commit` of a transaction
//     in one batch. The consumer applies a batch without waiting in between, so that a transaction is applied whole: no
//     reader sees a part of it. A transport without bounds (`notify`) hands over payloads only; each one stands alone.
//  4. A barrier is a payload that the replica set sends to itself. It is sent in a transaction on a connection that the
//     transport does not own: a load's barrier on the load's connection after its commit, heartbeats and the barriers
//     of awaited writes on the control connection. `barriers::expect`, given the transport's index, awaits it. When the
//     barrier is back, everything that was visible to the statement that sent it has arrived.
//  5. Before a load reads its fence, `prepare_load` waits until every event that came before the load began is visible
//     to new snapshots.
//
// Guarantee to PostgreSQL: a transport always reads at once what PostgreSQL sends. If the consumer is slow, or a
// transaction is too large to be kept until its commit, the transport drops events and reports `opened`.
//
// To add a transport: derive from `transport`, and name it in a `transport_factory`. Index 0 of a replica set is
// `notify`, which is always in use because definitions travel by it. Another transport is created when the first tally
// uses it, and stopped when no tally uses it.
//
// Lifetime: `stop` ends `run` and `next` soon; the object must outlive both.
//
// Threads: none of its own; everything happens on the executor.
//
// Errors: `send`, `send_heartbeat` and `prepare_load` throw the db::error of the connection that they use.

#include <pgtally/cache/fence.hpp>
#include <pgtally/cache/reason.hpp>
#include <pgtally/db/config.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally {

class transport {
public:
    // From here on no payload is missing. `order` names the order of commits, if positions in it mean the same to every
    // server (cache/stream.hpp); empty: they do not, or there are none.
    struct opened {
        std::string order = {};
    };

    // No payload arrives until `opened`.
    struct lost {
        cache::reason reason;
        bool permanent = false;  // waiting does not cure it: password, database, …
    };

    struct payload {
        std::string_view text;  // valid until the next call of `next`
    };

    // The payloads up to `commit` are of one transaction. `position` is the commit's place in the order of commits, a
    // number that grows with each one.
    struct begin {
        std::uint64_t position;
    };
    struct commit {};

    using signal = std::variant<payload, opened, lost, begin, commit>;

    // What the database answered to a heartbeat.
    struct heartbeat_answer {
        bool installed = true;       // the schema `tally` is there
        bool pooled = false;         // another backend answered than the one that was connected to
        double queue_usage = 0;      // how full the database's queue of this transport is, 0 to 1
        std::uint64_t wal_held = 0;  // bytes of WAL that the database keeps for this transport
    };

    virtual ~transport() = default;

    // Connects, and connects again after each loss, until `stop`.
    virtual boost::asio::awaitable<void> run() = 0;

    // Waits until something has arrived and returns all of it; returns an empty span after `stop`. The span is valid
    // until the next call.
    //
    // Preconditions: one caller at a time.
    virtual boost::asio::awaitable<std::span<signal const>> next() = 0;

    // Everything that the last call of `next` returned was applied.
    virtual void applied() {}

    // Drops the connection and opens another one. `why` becomes the reason of `lost`.
    virtual void restart(cache::reason why) = 0;

    // Tries to connect soon, if it pauses between two attempts: the database answers.
    virtual void retry_now() noexcept = 0;

    virtual void stop() = 0;

    // An SQL expression that sends the text `parameter` (an SQL expression itself) with the transaction that evaluates
    // it.
    virtual std::string sending(std::string_view parameter) const = 0;

    // Sends a payload in a separate transaction on `connection`.
    boost::asio::awaitable<void> send(db::connection& connection, std::string text) const
    {
        auto const statement = "select " + sending("$1");
        co_await connection.query(statement, text);
    }

    // Sends a heartbeat's barrier, and reads what `heartbeat_answer` reports.
    virtual boost::asio::awaitable<heartbeat_answer> send_heartbeat(db::connection& connection,
                                                                    std::string text) const = 0;

    // Called on a load's connection, outside a transaction, after the load began to keep events and before it reads its
    // fence. `notify` has nothing to do. A transport that delivers an event before snapshots see its transaction must
    // wait here: it can draw a transaction id and wait until that is visible. It calls `waits` with the reason, whenever
    // that is another one; if `waits` returns false, the load is not wanted any more.
    virtual boost::asio::awaitable<void> prepare_load(db::connection& connection,
                                                      std::function<bool(cache::reason)> waits) const = 0;

    // Whether the transport cannot open because of something that the database can name: then `why_it_waits` asks it,
    // from time to time. Empty: no longer.
    virtual bool waits() const noexcept { return false; }
    virtual boost::asio::awaitable<cache::reason> why_it_waits(db::connection&) const { co_return cache::reason{}; }
};

// Creates the transport that definitions call `name`.
struct transport_factory {
    std::string name;
    std::function<std::shared_ptr<transport>(boost::asio::any_io_executor, db::config)> make;
};

}  // namespace pgtally
