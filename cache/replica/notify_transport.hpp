#pragma once

// Transport `notify`: events are notifications. Only notify_transport.cpp names the channel and `pg_notify`.
//
// PostgreSQL delivers the notifications of committed transactions in the order in which the transactions become
// visible, without their bounds. A notification never comes before new snapshots see its transaction. Therefore a load
// needs no preparation.

#include <pgtally/cache/replica/transport.hpp>

namespace pgtally {

transport_factory notify_transport();

}  // namespace pgtally
