#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/server/check/finding.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <vector>

namespace pgtally::server {

namespace asio = boost::asio;

// The checks of `pgtally check`. Each runs queries on an open connection and appends its findings to `out`.

using findings = std::vector<finding>;

// The version of PostgreSQL, the encoding, standby or read only, the notification queue.
asio::awaitable<void> check_server(db::connection& connection, findings& out);

// The schema and its version. Returns the version; nothing if the checks that follow cannot run.
asio::awaitable<std::optional<int>> check_schema(db::connection& connection, findings& out);

// The rights of this role that serving needs.
asio::awaitable<void> check_rights(db::connection& connection, int schema, findings& out);

// A note about the roles that can forge events: those that may connect, other than superusers and this role.
asio::awaitable<void> check_senders(db::connection& connection, findings& out);

// The rights of this role on the tables of materialized tallies. Before version 4 the schema cannot report them: then
// there is no finding.
asio::awaitable<void> check_tables(db::connection& connection, int schema, findings& out);

// The problems that the schema knows of each tally: triggers, partitions, row level security.
asio::awaitable<void> check_tallies(db::connection& connection, findings& out);

// Whether a pooler between the program and PostgreSQL withholds notifications.
asio::awaitable<void> check_notifications(db::connection& connection, db::config settings, findings& out);

}  // namespace pgtally::server
