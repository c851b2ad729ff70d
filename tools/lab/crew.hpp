#pragma once

#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace pgtally::lab {

namespace asio = boost::asio;

/// Runs all of them beside each other, and returns when the last one has ended. When one throws, or this is cancelled,
/// the others are cancelled; the first failure is thrown then.
asio::awaitable<void> all(std::vector<asio::awaitable<void>> tasks);

/// What a worker does with its connection. A plain function that returns a coroutine, which owns what it uses; the
/// connection outlives it.
using job = std::function<asio::awaitable<void>(db::connection& own, std::size_t worker)>;

/// Runs `each` on `workers` connections at the same time: they begin when all are connected. Gives the time from there
/// to the end of the last one. Throws what one of them throws.
asio::awaitable<std::chrono::steady_clock::duration> crew(db::config settings, std::size_t workers, job each);

}  // namespace pgtally::lab
