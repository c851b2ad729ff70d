#pragma once

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace pgtally::lab {

namespace asio = boost::asio;

/// Runs all tasks concurrently and returns when the last one has ended. If one throws, or if this is cancelled,
/// the others are cancelled, and then the first failure is thrown.
asio::awaitable<void> all(std::vector<asio::awaitable<void>> tasks);

/// A worker's task on its connection. A plain function that returns a coroutine, which owns what it uses. The
/// connection outlives it.
using job = std::function<asio::awaitable<void>(db::connection& own, std::size_t worker)>;

/// Runs `each` on `workers` connections at the same time. All begin once all are connected. Returns the time from
/// there to the end of the last one. Throws what a task throws.
asio::awaitable<std::chrono::steady_clock::duration> crew(db::config settings, std::size_t workers, job each);

}  // namespace pgtally::lab
