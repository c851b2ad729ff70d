#pragma once

#include <algorithm>
#include <chrono>

namespace pgtally::db {

/// Settings of libpq and of PostgreSQL that notice a dead peer: tcp_user_timeout and the keep-alives.
struct keepalive_times {
    std::chrono::seconds idle, interval;
    int count = 3;
    std::chrono::milliseconds user_timeout;

    /// For a peer that may be silent for so long, at least 1 s. The keep-alives together take that time.
    explicit keepalive_times(std::chrono::milliseconds silence)
        : idle{std::max(std::chrono::floor<std::chrono::seconds>(silence / 2), std::chrono::seconds{1})}
        , interval{std::max(std::chrono::floor<std::chrono::seconds>(silence / 6), std::chrono::seconds{1})}
        , user_timeout{std::max<std::chrono::milliseconds>(silence, std::chrono::seconds{1})}
    {
    }
};

}  // namespace pgtally::db
