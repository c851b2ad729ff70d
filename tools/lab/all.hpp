#pragma once

#include "laboratory.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "whole.hpp"

#include <boost/asio/awaitable.hpp>

namespace pgtally::lab {

/// Runs all experiments, one after another, and describes the machine and the server. If an experiment fails, its
/// report says why and the others still run. `lab` is open; it and `shown` outlive the coroutine. Throws if the
/// server's facts cannot be read, or if cancelled.
asio::awaitable<whole> all_experiments(laboratory& lab, all_options chosen, progress& shown);

}  // namespace pgtally::lab
