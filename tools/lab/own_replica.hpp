#pragma once

#include "laboratory.hpp"

#include <pgtally/cache/replica/replica.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace pgtally::lab {

/// A replica of the lab's tally, embedded as in a program. Destroying it stops it. Outlives the coroutines of its
/// members.
class own_replica {
public:
    /// Does no I/O.
    explicit own_replica(laboratory& lab);

    /// The `application_name` of its connections, which no other program uses.
    [[nodiscard]] std::string const& name() const noexcept { return name_; }

    /// Starts to load. Call it once.
    void start();

    /// Throws refused if it fails, or is not live after 30 s.
    asio::awaitable<void> until_live();

    /// Returns when the counters include everything committed before. Throws refused after 30 s, and db::error.
    asio::awaitable<void> catch_up();

    /// 0 if it never loaded.
    [[nodiscard]] std::int64_t rts(std::int64_t messageid) const;

private:
    laboratory& lab_;
    std::string name_;
    std::shared_ptr<asio::steady_timer> changed_;
    pgtally::replica replica_;
};

}  // namespace pgtally::lab
