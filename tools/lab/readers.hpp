#pragma once

#include "laboratory.hpp"
#include "options.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace pgtally::lab {

/// A reader of the message's counter, one read at a time. Outlives the coroutines of its members.
class reader {
public:
    reader() = default;
    reader(reader const&) = delete;
    reader& operator=(reader const&) = delete;
    virtual ~reader() = default;

    /// Returns the retweets of the message.
    virtual asio::awaitable<std::int64_t> read() = 0;

    /// Called between reads and not measured: lets other coroutines run if read() does not wait.
    virtual asio::awaitable<void> pause() { co_return; }
};

/// One way to read, on a table with its history. Outlives its readers and the coroutines of its members.
/// Destroying it ends what it runs.
class way_to_read {
public:
    way_to_read() = default;
    way_to_read(way_to_read const&) = delete;
    way_to_read& operator=(way_to_read const&) = delete;
    virtual ~way_to_read() = default;

    [[nodiscard]] virtual char const* name() const noexcept = 0;
    [[nodiscard]] virtual char const* says() const noexcept = 0;

    /// Creates what it needs. From here on its numbers include every commit sooner or later. Throws absent,
    /// refused, db::error.
    virtual asio::awaitable<void> prepare() = 0;

    virtual asio::awaitable<std::unique_ptr<reader>> open() = 0;

    /// Background work for the readers, until that time.
    virtual asio::awaitable<void> tend(std::chrono::steady_clock::time_point) { co_return; }

    /// Returns when its numbers include, or should include, everything committed. Exactness is checked after
    /// that.
    virtual asio::awaitable<void> settle() { co_return; }

    /// A remark about a run; may be empty.
    [[nodiscard]] virtual std::string remark() const { return {}; }
};

/// The chosen ways, in the order in which they run.
[[nodiscard]] std::vector<std::unique_ptr<way_to_read>> ways_to_read(laboratory& lab, reading_options const& chosen);

[[nodiscard]] std::vector<std::unique_ptr<way_to_read>> ways_by_sql(laboratory& lab, reading_options const& chosen);
[[nodiscard]] std::unique_ptr<way_to_read> way_by_http(laboratory& lab, reading_options const& chosen);
[[nodiscard]] std::unique_ptr<way_to_read> way_by_replica(laboratory& lab, reading_options const& chosen);

}  // namespace pgtally::lab
