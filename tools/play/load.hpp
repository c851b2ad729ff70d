#pragma once

#include "rehearse.hpp"

#include <pgtally/db/connection.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace pgtally::play {

struct load_report {
    std::size_t speeches = 0;
    std::size_t lines = 0;                 ///< messages of the play: a speech of two speakers counts as two
    std::size_t sent = 0;                  ///< messages that were not there yet
    std::vector<std::string> strangers{};  ///< speakers that were unknown, and are users now
};

/// Posts every speech as a message of its speaker, in order, in one transaction.
///
/// Loading again posts nothing. Loading a longer version posts only its new messages (rehearse.hpp).
/// Concurrent loads wait for each other. The arguments are copied.
///
/// *Errors*: db::error. Nothing was posted then, except if the connection broke during the commit.
db::asio::awaitable<load_report> load(std::vector<speech> speeches, db::config settings, copy_progress progress);

}  // namespace pgtally::play
