#pragma once

#include <pgtally/server/audit/audit.hpp>
#include <pgtally/server/audit/audit_results.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

// Receives a line about each step, for a terminal.
using audit_progress = std::function<void(std::string const&)>;

// Runs replicas of its own: loads them, follows the events for `chosen.follow`, and audits each. The results are never
// empty: they also say what failed.
asio::awaitable<tally_audits> audit_here(audit_options chosen, audit_progress report);

// Asks the server at `chosen.server` to audit its own replicas, one after the other.
asio::awaitable<tally_audits> audit_there(audit_options chosen, audit_progress report);

}  // namespace pgtally::server
