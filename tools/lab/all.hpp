#pragma once

#include "laboratory.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "whole.hpp"

#include <boost/asio/awaitable.hpp>

namespace pgtally::lab {

/// All of these experiments, one after the other, and what they ran on. One that fails has a report that says why, and
/// the others are done all the same. `lab` is open; it and `shown` outlive the coroutine. Throws what keeps it from
/// knowing the server, and when it is cancelled.
asio::awaitable<whole> all_experiments(laboratory& lab, all_options chosen, progress& shown);

}  // namespace pgtally::lab
