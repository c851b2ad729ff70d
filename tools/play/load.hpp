#pragma once

#include "play.hpp"

#include <pgtally/db/connection.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace pgtally::play {

struct load_report {
    std::size_t spoken = 0;  ///< messages that the play has: a speech of two speakers is two
    std::size_t sent = 0;    ///< those that were not there yet
    std::vector<std::string> new_users{};
};

/// Sends every speech as a message of its speaker, in order, in one transaction.
///
/// Speakers are users by uname, else by nickname, whatever the case; who is none becomes one. A message
/// is known by its user, its text, and the how-manieth of that text by that user it is in the play:
/// loading again sends nothing, loading a longer version sends what is new. Loads take turns.
///
/// `speeches` and `settings` are the coroutine's own. Throws db::error, and then nothing was done.
db::asio::awaitable<load_report> load(std::vector<speech> speeches, db::config settings);

}  // namespace pgtally::play
