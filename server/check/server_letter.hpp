#pragma once

#include <pgtally/server/ask/server_access.hpp>
#include <pgtally/server/check/examination.hpp>
#include <pgtally/server/check/progress.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

namespace asio = boost::asio;

// Asks a running server, at its admin address, and looks at what it answers. At a public address it looks at what that tells.
// What fails is a finding.
//
// Lifetime: `report` outlives the coroutine.
asio::awaitable<examination> examine_server(server_access access, progress& report);

}  // namespace pgtally::server
