#pragma once

#include "laboratory.hpp"
#include "progress.hpp"
#include "whole.hpp"

#include <boost/asio/awaitable.hpp>

#include <vector>

namespace pgtally::lab {

/// The server's version, the settings that the experiments depend on, and the cost of a commit for one session:
/// with the server's settings, and without waiting for the disk. The difference is about one flush. Recreates the
/// schema. Throws db::error.
asio::awaitable<std::vector<fact>> server_facts(laboratory& lab, progress& shown);

}  // namespace pgtally::lab
