#pragma once

#include "laboratory.hpp"
#include "progress.hpp"
#include "whole.hpp"

#include <boost/asio/awaitable.hpp>

#include <vector>

namespace pgtally::lab {

/// The server's version and settings that these experiments depend on, and what a commit costs one session: as it is
/// set up, and by a commit that does not wait for the disk; the difference is about what a flush takes. Makes the
/// schema anew. Throws db::error.
asio::awaitable<std::vector<fact>> server_facts(laboratory& lab, progress& shown);

}  // namespace pgtally::lab
