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

/// Why one way to read cannot be had here, while the others can: for people.
class absent : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// One who reads the counter of the message, one read after the other. Outlives the coroutines of its members.
class reader {
public:
    reader() = default;
    reader(reader const&) = delete;
    reader& operator=(reader const&) = delete;
    virtual ~reader() = default;

    /// The retweets of the message.
    virtual asio::awaitable<std::int64_t> read() = 0;

    /// Between two reads, and not measured: lets others run where a read does not wait for anything.
    virtual asio::awaitable<void> pause() { co_return; }
};

/// One way to read, on a table with its history. Outlives its readers and the coroutines of its members; destroying it
/// ends whatever it runs.
class way_to_read {
public:
    way_to_read() = default;
    way_to_read(way_to_read const&) = delete;
    way_to_read& operator=(way_to_read const&) = delete;
    virtual ~way_to_read() = default;

    [[nodiscard]] virtual char const* name() const noexcept = 0;
    [[nodiscard]] virtual char const* says() const noexcept = 0;

    /// Makes what it needs. From here on every commit is in its numbers, sooner or later. Throws absent, refused,
    /// db::error.
    virtual asio::awaitable<void> prepare() = 0;

    virtual asio::awaitable<std::unique_ptr<reader>> open() = 0;

    /// What it has to do beside its readers, until then; at once or never.
    virtual asio::awaitable<void> tend(std::chrono::steady_clock::time_point) { co_return; }

    /// Returns when what is committed is in the numbers, or when it should have been: the exactness is looked at then.
    virtual asio::awaitable<void> settle() { co_return; }

    /// What else there is to say after a run; may be empty.
    [[nodiscard]] virtual std::string remark() const { return {}; }
};

/// Those that are chosen, in the order in which they are tried.
[[nodiscard]] std::vector<std::unique_ptr<way_to_read>> ways_to_read(laboratory& lab, reading_options const& chosen);

[[nodiscard]] std::vector<std::unique_ptr<way_to_read>> ways_by_sql(laboratory& lab, reading_options const& chosen);
[[nodiscard]] std::unique_ptr<way_to_read> way_by_http(laboratory& lab, reading_options const& chosen);
[[nodiscard]] std::unique_ptr<way_to_read> way_by_replica(laboratory& lab, reading_options const& chosen);

}  // namespace pgtally::lab
