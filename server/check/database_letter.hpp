#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/server/check/examination.hpp>
#include <pgtally/server/check/progress.hpp>

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

namespace asio = boost::asio;

// Looks at the database, whatever is installed in it. What fails is a finding.
//
// Lifetime: `report` outlives the coroutine.
asio::awaitable<examination> examine_database(db::config settings, progress& report);

}  // namespace pgtally::server
