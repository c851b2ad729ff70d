#pragma once

#include "laboratory.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pgtally::lab {

/// The experiments, one file each. `lab` is open; it and `shown` outlive the coroutine. They throw refused and
/// db::error, and leave cleaning up to laboratory::close(). Messages that are not results are written to stderr.

asio::awaitable<report> concurrency(laboratory& lab, concurrency_options chosen, progress& shown);
asio::awaitable<report> isolation(laboratory& lab, isolation_options chosen, progress& shown);
asio::awaitable<report> walk(laboratory& lab, walk_options chosen);
asio::awaitable<report> reading(laboratory& lab, reading_options chosen, progress& shown);
asio::awaitable<report> anomalies(laboratory& lab, anomalies_options chosen, progress& shown);

}  // namespace pgtally::lab
