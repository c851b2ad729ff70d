#pragma once

#include <pgtally/server/audit/audit_results.hpp>
#include <pgtally/server/cli/options.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <string>

namespace pgtally::server {

namespace asio = boost::asio;

// Told what is being done, now and then, for a terminal.
using audit_progress = std::function<void(std::string const&)>;

// With replicas of its own: loads them, follows the events for as long as was asked for, and audits each. Whatever goes
// wrong is in the results: they are never empty.
asio::awaitable<tally_audits> audit_here(audit_options chosen, audit_progress tell);

// Has the server at `chosen.url` audit its own replicas, one after another.
asio::awaitable<tally_audits> audit_there(audit_options chosen, audit_progress tell);

}  // namespace pgtally::server
