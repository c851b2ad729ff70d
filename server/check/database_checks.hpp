#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/server/check/finding.hpp>

#include <boost/asio/awaitable.hpp>

#include <vector>

namespace pgtally::server {

namespace asio = boost::asio;

// The checks, each on an open connection. What they find goes to the end of `out`.

using findings = std::vector<finding>;

// Version, encoding, a standby, the notification queue.
asio::awaitable<void> check_server(db::connection& connection, findings& out);

// Whether the schema is there, and its version. False: nothing that follows makes sense.
asio::awaitable<bool> check_schema(db::connection& connection, findings& out);

// Whether this role may do what serving needs.
asio::awaitable<void> check_rights(db::connection& connection, findings& out);

// Who could forge events: the roles that may connect, but for superusers, who can do anything, and this one. A note.
asio::awaitable<void> check_senders(db::connection& connection, findings& out);

// Whether this role may write the tables that tallies are kept in.
asio::awaitable<void> check_tables(db::connection& connection, findings& out);

// What each tally's own look at itself says: triggers, partitions, row level security.
asio::awaitable<void> check_tallies(db::connection& connection, findings& out);

// Whether a pooler in between keeps notifications away.
asio::awaitable<void> check_notifications(db::connection& connection, db::config settings, findings& out);

}  // namespace pgtally::server
