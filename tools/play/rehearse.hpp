#pragma once

#include "play.hpp"

#include <pgtally/db/connection.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace pgtally::play {

/// What becomes one message.
struct line {
    std::string speaker{};
    std::string words{};
};

/// In order. A speech of two speakers is two lines.
[[nodiscard]] std::vector<line> lines_of(std::vector<speech> const& speeches);

/// Bytes sent so far, and all there are.
using copy_progress = std::function<void(std::size_t done, std::size_t all)>;

/// Sends the lines to the database by COPY and finds out whose they are; who is nobody yet becomes a user, and
/// is in what this gives. Within a transaction of `conn`, which must outlive this, as must `lines`. Leaves
/// there, until it ends,
///  - a lock: nobody else sends messages or makes users. Acting on messages goes on.
///  - a temporary table, line (n, userid, words, nth): the lines from 1, and the how-manieth of these words
///    by this user each is. A message is known by that: what is there so often already was sent.
///
/// Speakers are users by uname, else by nickname, whatever the case. Throws db::error.
db::asio::awaitable<std::vector<std::string>> rehearse(db::connection& conn, std::vector<line> const& lines,
                                                       copy_progress progress);

/// The lock of rehearse(), for what comes later.
inline constexpr char const* lock_sql = "lock table tweet.users, tweet.message in share row exclusive mode";

}  // namespace pgtally::play
