#pragma once

#include "rehearse.hpp"

#include <pgtally/db/connection.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace pgtally::play {

struct load_report {
    std::size_t speeches = 0;
    std::size_t lines = 0;                 ///< messages that the play has: a speech of two speakers is two
    std::size_t sent = 0;                  ///< those that were not there yet
    std::vector<std::string> strangers{};  ///< speakers that nobody knew: users now
};

/// Sends every speech as a message of its speaker, in order, in one transaction.
///
/// Loading again sends nothing, loading a longer version sends what is new (see rehearse). Loads take
/// turns. The arguments are the coroutine's own. Throws db::error; then nothing was done, unless
/// the connection broke in the commit.
db::asio::awaitable<load_report> load(std::vector<speech> speeches, db::config settings, copy_progress progress);

}  // namespace pgtally::play
