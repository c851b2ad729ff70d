#pragma once

// A few connections to the database, taken in turns.
//
// Model: whoever wants one waits in line, for a bounded time and behind a bounded number of others. Connections are
// opened when they are first wanted; one that has lain idle is tried before it is handed out, so that a server that
// restarted meanwhile does not look like a statement that failed.
//
// Threads: none; one executor.

#include <pgtally/db/config.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

namespace pgtally::server {

namespace asio = boost::asio;

class database_pool {
    struct state;
    struct slot;

public:
    struct config {
        db::config database;
        std::size_t connections = 1;
        std::size_t max_waiting = 0;
        std::chrono::milliseconds queue_timeout{};
    };

    enum class outcome {
        taken,     // the connection is open
        full,      // too many wait already
        timed_out  // none became free in time
    };

    // A connection while it is one's own.
    class lease {
    public:
        lease() noexcept;
        lease(lease&&) noexcept;
        lease& operator=(lease&&) = delete;
        ~lease();
        db::connection& connection() noexcept;
        outcome result() const noexcept { return result_; }

    private:
        friend class database_pool;
        std::shared_ptr<state> pool_;
        std::unique_ptr<slot> slot_;
        outcome result_ = outcome::full;
    };

    database_pool(asio::any_io_executor executor, config chosen);
    ~database_pool();

    // Throws db::error if the database cannot be reached: nothing was sent then.
    asio::awaitable<lease> acquire();

private:
    asio::awaitable<void> open(db::connection& connection, bool idle_for_long) const;

    std::shared_ptr<state> state_;
};

}  // namespace pgtally::server
