#pragma once

#include "crew.hpp"
#include "options.hpp"
#include "progress.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgtally::lab {

/// The outcome of a load of retweets.
struct retweet_outcome {
    std::chrono::steady_clock::duration took{};
    std::vector<std::chrono::microseconds> latencies{};  ///< of acknowledged retweets
    std::vector<std::int64_t> acknowledged{};            ///< per message of the load
    std::map<std::string, std::int64_t> errors{};        ///< server errors, by SQLSTATE

    [[nodiscard]] std::int64_t acknowledged_in_all() const noexcept;
};

/// The index of the message that a worker retweets next. Workers use all messages in turn, starting at different
/// ones.
[[nodiscard]] std::size_t place_of(load const& work, std::size_t worker, std::size_t retweet) noexcept;

/// "23505 x 3, 40001 x 1", and an object; "-" for none.
[[nodiscard]] struct cell errors_cell(std::map<std::string, std::int64_t> const& errors);

/// The load as part of a report's settings.
[[nodiscard]] boost::json::object settings_of(load const& work, std::string const& server_version);

/// "100 workers, 100 retweets each of message 3".
[[nodiscard]] std::string describe(load const& work);

/// Runs the load with `statement`, whose $1 is the message. Server errors are counted; any other failure is
/// thrown. `shown` outlives the coroutine.
asio::awaitable<retweet_outcome> retweet(db::config settings, load work, std::string statement, progress& shown);

}  // namespace pgtally::lab
