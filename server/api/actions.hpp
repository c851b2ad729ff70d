#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/pool.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

// POST: runs an action's statement once, and waits until the replica has applied its transaction.
//
// Guarantee: a statement is never sent twice. If the connection breaks before the answer, the barrier that is part of
// the transaction may still come back and prove that the transaction committed. If it does not, the client learns that
// the outcome is unknown, and decides itself.
class actions {
public:
    struct order {
        std::string tally, action, key;
        std::optional<std::string> body;  // JSON
    };

    actions(asio::any_io_executor executor, replica_set& replicas, db::config database, limits const& bounds);

    // Returns nothing if the action is done and applied: then the caller answers with the key's counters.
    //
    // Preconditions: the tally and the action exist.
    asio::awaitable<std::optional<response>> run(order what);

private:
    // The outcome of the statement: its transaction, or the answer that says why none is known.
    struct outcome {
        std::optional<cache::xid> transaction;
        std::optional<response> refused;
    };

    asio::awaitable<outcome> send(order const& what, std::string const& barrier);

    replica_set& replicas_;
    limits const& bounds_;
    db::pool pool_;
};

}  // namespace pgtally::server
