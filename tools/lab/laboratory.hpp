#pragma once

#include "budget.hpp"

#include <pgtally/db/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace pgtally::lab {

namespace asio = boost::asio;

/// Why the lab does not begin, and what to do: for people.
class refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The database's corner in which experiments happen: schema pgtally_lab, which is made by open() and dropped by
/// close().
///
/// Guarantees
///  - One laboratory a database: an advisory lock, held by `director`, keeps others out.
///  - A schema of that name that the lab did not make is left alone. One that it made, and could not drop because it
///  was
///    killed, is taken over.
///
/// Outlives the coroutines of its members.
class laboratory {
public:
    laboratory(asio::any_io_executor executor, std::string dsn);

    /// Connects, and sees to it that no other lab is at work and that the schema is ours to make. Throws refused, and
    /// db::error.
    asio::awaitable<void> open();

    /// Checks that the connections fit, and returns the number of workers that do: need.workers, or fewer if
    /// need.may_shrink. If that is fewer, says so on stderr. Throws refused, and db::error.
    asio::awaitable<std::size_t> check_connections(connection_need need);

    /// Makes the schema anew, with the articles' tables: `message` with the messages from `first` to
    /// `first` + `count`, the last of which nobody retweets, and `activity`.
    asio::awaitable<void> reset(std::int64_t first, std::size_t count);

    /// Installs schema tally if the database has none; true if it had none. Throws refused if it may not be.
    asio::awaitable<bool> install_tally();

    /// Makes it fit for another experiment after one that failed: drops the schema, and connects again if that is
    /// needed. Throws db::error.
    asio::awaitable<void> recover();

    /// Drops the schema, if this laboratory made it. Throws db::error.
    asio::awaitable<void> close();

    /// The one that prepares and looks on.
    [[nodiscard]] db::connection& director() noexcept { return director_; }

    /// How workers connect: the schema is their search_path.
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
    bool ours_ = false;  // the schema is, or may be, there by us
};

}  // namespace pgtally::lab
