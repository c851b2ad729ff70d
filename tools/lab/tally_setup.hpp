#pragma once

#include "laboratory.hpp"
#include "progress.hpp"

#include <boost/asio/awaitable.hpp>

namespace pgtally::lab {

/// Installs schema tally if there is none, and says so on stderr. Throws refused, db::error.
asio::awaitable<void> have_schema_tally(laboratory& lab, progress& shown);

}  // namespace pgtally::lab
