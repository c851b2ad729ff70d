#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/server/check/examination.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

namespace asio = boost::asio;

// The checks of the database, whatever is installed in it. Each runs queries on an open connection, and appends to `out`
// what it looked at and found.

// The title. The version of PostgreSQL, the encoding, standby or read only, the notification queue.
asio::awaitable<void> check_server(db::connection& connection, examination& out);

// What limits this role, and no session can set for itself: connections, temporary files, the end of its password.
asio::awaitable<void> check_limits(db::connection& connection, examination& out);

// A note about the roles that can forge events: those that may connect, other than superusers and this role.
asio::awaitable<void> check_senders(db::connection& connection, examination& out);

// Whether a pooler between the program and PostgreSQL withholds notifications.
asio::awaitable<void> check_notifications(db::connection& connection, db::config settings, examination& out);

// If a tally has transport `wal`: whether PostgreSQL lets this role replicate, and has a slot. Comes after the checks of the
// schema.
asio::awaitable<void> check_replication(db::connection& connection, db::config settings, examination& out);

// What limits this process, and with it a server that is started likewise: file descriptors.
void check_process(examination& out);

}  // namespace pgtally::server
