#pragma once

#include "play.hpp"

#include <pgtally/db/connection.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace pgtally::play {

/// The text of one message.
struct line {
    std::string speaker{};
    std::string words{};
};

/// In order. A speech of two speakers is two lines.
[[nodiscard]] std::vector<line> lines_of(std::vector<speech> const& speeches);

/// Called with the bytes sent so far and in total.
using copy_progress = std::function<void(std::size_t done, std::size_t all)>;

/// Sends the lines to the database with COPY and finds their users. Creates a user for each unknown speaker and
/// returns those. Runs in a transaction of `conn`. Until that ends, it leaves
///  - a lock: no other program posts messages or creates users; acts on messages continue.
///  - a temporary table, line (n, userid, words, nth): the lines, counted from 1, and the number of each text
///    among the equal texts of its user. A message is identified by that: one that exists was posted before.
///
/// Speakers match users by uname, else by nickname, ignoring case.
///
/// *Lifetime*: `conn` and `lines` outlive the coroutine.
///
/// *Errors*: db::error.
db::asio::awaitable<std::vector<std::string>> rehearse(db::connection& conn, std::vector<line> const& lines,
                                                       copy_progress progress);

/// The lock of rehearse(), for later statements.
inline constexpr char const* lock_sql = "lock table tweet.users, tweet.message in share row exclusive mode";

}  // namespace pgtally::play
