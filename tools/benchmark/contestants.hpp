#pragma once

#include <pgtally/db/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace pgtally::bench {

using seconds = std::chrono::duration<double>;

struct figures {
    double per_second = 0;
    double per_cpu_second = 0;  ///< of this process
};

/// Of what this process does from here on.
class stopwatch {
public:
    stopwatch();
    [[nodiscard]] figures of(std::uint64_t count) const;

private:
    std::chrono::steady_clock::time_point began_;
    seconds began_cpu_;
};

/// Lookups by primary key, of `callers` coroutines on one session, each time that `turn` says so; ends
/// when it gives false. Throws what goes wrong.
void lookups(db::config settings, std::size_t callers, seconds time, std::function<bool()> const& turn,
             std::function<void(figures)> const& print);

/// Receives `count` notifications that were sent at once. The clocks begin with the first of them:
/// what the sender needs is not the receiver's.
figures notifications(db::config settings, std::size_t count);

/// Writes to the file what `copy (query) to stdout` gives; gives the number of rows.
std::uint64_t copy(db::config settings, std::string const& query, std::string const& path);

struct feed_figures {
    double changes_per_cpu_second = 0;
    double leaves_per_cpu_second = 0;
};

/// The core's work for 10,000 clients, each with a key of its own, on as many tallies as it takes for `clients` on each:
/// `changes` changes of one key of one tally, one a turn, and then the leave of every client. Needs no database.
feed_figures feed(std::size_t clients, std::size_t changes);

}  // namespace pgtally::bench
