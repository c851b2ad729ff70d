#pragma once

// Waits for open transactions, and names their sessions.

#include <pgtally/cache/reason.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/db/event.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>

namespace pgtally {

// Waits until every transaction that has an id now has ended, in each database of the cluster. `waits` is called with the
// sessions of the oldest, about once a second; if it returns false, the wait ends.
//
// Errors: throws the db::error of the connection.
boost::asio::awaitable<void> await_open_transactions(db::connection& connection,
                                                     std::function<bool(cache::reason)> waits);

// Why a logical replication slot cannot be made yet: the sessions for which the WAL sender `who` waits. Empty if there is
// none.
boost::asio::awaitable<cache::reason> why_slot_waits(db::connection& connection, db::backend_pid who);

}  // namespace pgtally
