#pragma once

#include "budget.hpp"
#include "progress.hpp"

#include <pgtally/db/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace pgtally::lab {

namespace asio = boost::asio;

/// Why the lab does not start, and what to do about it.
class refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Why one strategy or way to read is not available here, while the others are.
class absent : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The place of the experiments in a database: schema pgtally_lab. open() prepares it, close() drops it.
///
/// Guarantees
///  - One laboratory per database: `director` holds an advisory lock.
///  - A schema of that name that the lab did not create is left alone. If an earlier lab was killed and left its
///    schema, this one takes it over.
///
/// *Lifetime*: outlives the coroutines of its members.
class laboratory {
public:
    laboratory(asio::any_io_executor executor, std::string dsn);

    /// Connects, and checks that no other lab is running and that the schema may be created. Throws refused,
    /// db::error.
    asio::awaitable<void> open();

    /// Checks that the connections fit, and returns the number of workers that do: need.workers, or fewer if
    /// need.may_shrink. If that is fewer, says so on stderr. Throws refused, and db::error.
    asio::awaitable<std::size_t> check_connections(connection_need need);

    /// Recreates the schema with the articles' tables: `message`, with the messages from `first` to `first` +
    /// `count`, the last of which is never retweeted, and `activity`.
    asio::awaitable<void> reset(std::int64_t first, std::size_t count);

    /// Installs schema tally if the database has none, and returns true in that case. Throws refused if that is
    /// not allowed.
    asio::awaitable<bool> install_tally();

    /// Prepares for another experiment after a failed one: drops the schema and reconnects if necessary. Throws
    /// db::error.
    asio::awaitable<void> recover();

    /// Drops the schema if this laboratory created it. Throws db::error.
    asio::awaitable<void> close();

    /// The connection that prepares and observes.
    [[nodiscard]] db::connection& director() noexcept { return director_; }

    /// The settings of workers' connections: the schema is their search_path.
    [[nodiscard]] db::config worker_settings() const;

    [[nodiscard]] std::string const& dsn() const noexcept { return dsn_; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept { return director_.executor(); }

    /// "15.4"
    [[nodiscard]] std::string const& server_version() const noexcept { return server_version_; }

private:
    asio::awaitable<void> connect_and_lock(std::string lock_statement);
    asio::awaitable<void> drop();
    asio::awaitable<void> check_schema();

    std::string dsn_;
    db::connection director_;
    std::string server_version_{};
    bool ours_ = false;  // this laboratory created the schema, or may have
};

/// Installs schema tally if there is none, and says so on stderr, after it has removed the line of `shown`. Throws
/// refused, db::error.
asio::awaitable<void> have_schema_tally(laboratory& lab, progress& shown);

}  // namespace pgtally::lab
