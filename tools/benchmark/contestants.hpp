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

/// Measures the process from its construction on, in elapsed time and in CPU time.
class stopwatch {
public:
    stopwatch();
    [[nodiscard]] figures of(std::uint64_t count) const;

private:
    std::chrono::steady_clock::time_point began_;
    seconds began_cpu_;
};

/// Looks up rows by primary key, in `callers` coroutines on one session, for `time` each time that `turn` returns true,
/// and prints the figures. Returns when `turn` returns false. Throws if a lookup fails.
void lookups(db::config settings, std::size_t callers, seconds time, std::function<bool()> const& turn,
             std::function<void(figures)> const& print);

/// Receives `count` notifications of one statement. The clocks start with the first one, so that the figures leave out
/// the time that the sender needs.
figures notifications(db::config settings, std::size_t count);

/// Writes the output of `copy (query) to stdout` to the file. Returns the number of rows.
std::uint64_t copy(db::config settings, std::string const& query, std::string const& path);

struct feed_figures {
    double changes_per_cpu_second = 0;
    double leaves_per_cpu_second = 0;
};

/// Measures the core's work for 10,000 clients with one key each, spread over tallies of `clients` clients each:
/// first `changes` changes of one key of one tally, one a turn; then every client leaves. Needs no database.
feed_figures feed(std::size_t clients, std::size_t changes);

struct rank_figures {
    double changes_per_cpu_second = 0;
    double ranked_per_cpu_second = 0;  ///< keys, while the ranking was made
    double bytes_per_key = 0;          ///< of the ranking
};

/// What is done beside the changes: nothing; a ranking by one counter is kept; a subscription follows its top 10; the
/// changes are of the keys in this top.
enum class ranked { nothing, ranking, top, hot_top };

/// Applies `changes` changes to random keys of a tally, one a turn, each time that `turn` returns true, and prints the
/// figures. Returns when `turn` returns false. Needs no database.
void ranks(ranked what, std::size_t keys, std::size_t changes, std::function<bool()> const& turn,
           std::function<void(rank_figures)> const& print);

/// In seconds.
struct lag_figures {
    double commit_p50 = 0;  ///< from sending an INSERT to the answer
    double commit_p99 = 0;
    double lag_p50 = 0;  ///< from the answer to the callback of a replica that contains it; 0 if that comes first
    double lag_p99 = 0;
    std::size_t count = 0;
};

/// Inserts rows of post 0 into the table, one after another with pauses, and waits for each in a replica of the tally,
/// whose first counter counts rows by post. Needs schema tally. Throws if the replica does not follow within 30 s.
lag_figures lag(db::config settings, std::string const& tally, std::string const& table, seconds time);

}  // namespace pgtally::bench
