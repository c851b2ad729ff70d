#pragma once

#include "laboratory.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>

namespace pgtally::lab {

/// One experiment, after a look whether its connections would get in. `lab` is open; it and `shown` outlive the
/// coroutine. Throws refused and db::error; throws std::logic_error for what is none.
asio::awaitable<report> perform(laboratory& lab, experiment_options chosen, progress& shown);

}  // namespace pgtally::lab
