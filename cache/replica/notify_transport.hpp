#pragma once

// Transport `notify`: events are notifications. It is the only place that names the channel and `pg_notify`.
//
// PostgreSQL hands over a committed transaction's notifications in the order in which transactions become visible,
// without bounds. A notification therefore never comes before new snapshots see its transaction, so that a load needs
// no preparation.

#include <pgtally/cache/replica/transport.hpp>

namespace pgtally {

transport_factory notify_transport();

}  // namespace pgtally
