#pragma once

// Transport `wal`: events are transactional logical messages, received by logical replication (db/wal_stream.hpp). Only
// wal_transport.cpp and open_transactions.cpp name them.
//
// PostgreSQL sends each transaction whole, when its commit is flushed, in the order of the commits: so the transport
// knows the bounds and the positions of transactions, and positions mean the same on every server. It sends a
// transaction a moment before snapshots see it. Therefore a load first draws a transaction id, and waits until every
// transaction with a lower one has ended: a transaction that was sent before the load began is one of them.
//
// A slot is made when the transactions that are open then have ended, of any database. Both waits end with the
// transactions, and both name them.

#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/db/wal_stream.hpp>

namespace pgtally {

transport_factory wal_transport(db::wal_stream_limits const& limits = {});

}  // namespace pgtally
