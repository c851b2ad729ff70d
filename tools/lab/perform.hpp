#pragma once

#include "laboratory.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>

namespace pgtally::lab {

/// Checks that the connections fit, then runs one experiment. `lab` is open; it and `shown` outlive the
/// coroutine. Throws refused and db::error.
asio::awaitable<report> perform(laboratory& lab, experiment_options chosen, progress& shown);

}  // namespace pgtally::lab
