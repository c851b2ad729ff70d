#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/db/pool.hpp>
#include <pgtally/server/api/action_queue.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

namespace asio = boost::asio;

// POST: runs an action's statement, and waits until the replica has applied its transaction.
//
// Model: an action waits in a queue until a connection is free. Actions that wait at the same time share a transaction
// (`limits::action_batch`), each in a subtransaction of its own, so that they cost one commit and one barrier: a
// transaction costs PostgreSQL as much as five actions. So one connection has all of them while it keeps up. Another one
// helps, up to `limits::action_connections`, if so many wait that they are worth it (`limits::action_share`), or if one has
// waited for `limits::action_patience`: those before it are slow, or wait for locks.
//
// An action that fails in a batch is undone alone, and run again in a transaction of its own, whose
// answer counts: whatever it would have done alone, it does. So are all actions of a batch that PostgreSQL refuses as a
// whole.
//
// Guarantee: an action that may have been done is never sent again. If the connection breaks before the answer, the
// barrier that is part of the transaction may still come back and prove that the transaction committed, with all of its
// actions. If it does not, the client learns that the outcome is unknown, and decides itself.
class actions {
public:
    using order = action_order;

    struct outcome {
        std::optional<response> answer;         // nothing if the action is done and applied
        std::optional<std::uint64_t> position;  // of its commit, if it is known
    };

    actions(asio::any_io_executor executor, replica_set& replicas, db::config database, limits const& bounds);

    // If the action is done and applied, the caller answers with the key's counters.
    //
    // Preconditions: the tally and the action exist.
    asio::awaitable<outcome> run(order what);

private:
    using shared_barrier = std::shared_ptr<replica_set::barrier_wait>;

    // What became of the statement: its transaction, or the answer that says why none is known.
    struct result {
        std::optional<cache::xid> transaction{};
        std::optional<response> refused{};
        shared_barrier barrier{};  // that the transaction carries; null: none
    };
    struct pending;
    using batch = std::vector<std::shared_ptr<pending>>;

    asio::awaitable<std::optional<response>> wait_for(std::shared_ptr<pending> mine);
    asio::awaitable<bool> await_applied(order const& what, result const& sent);
    asio::awaitable<void> work();
    asio::awaitable<void> send(db::connection& connection, std::shared_ptr<pending> one);
    asio::awaitable<void> send_all(db::connection& connection, batch all);
    void begin_work();
    void put_back(batch const& undone);
    void fail_those_before(std::uint64_t number, db::error const& e);
    std::optional<std::uint64_t> position_of(order const& what, result const& sent) const;
    batch take();

    asio::any_io_executor executor_;
    replica_set& replicas_;
    limits const& bounds_;
    std::vector<session_setting> const settings_;  // of the connections
    db::pool pool_;
    action_queue queue_;
    std::size_t workers_ = 0;
    std::size_t coming_ = 0;  // workers that are about to take actions
    std::uint64_t last_number_ = 0;
};

}  // namespace pgtally::server
