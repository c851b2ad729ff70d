#pragma once

#include "audience.hpp"
#include "play.hpp"
#include "programme.hpp"

#include <pgtally/db/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pgtally::play {

namespace asio = boost::asio;

struct performance_stage;

/// *Preconditions*: this is an aggregate; give it a name before the co_await expression that passes it.
struct performance_config {
    db::config connection{};
    std::uint64_t seed = 0;
    double rate = 10;             ///< speeches and acts per second; > 0
    std::size_t per_speech = 10;  ///< acts between two speeches
    until end = until::play_ends;
    std::uint64_t acts = 0;  ///< for until::acts
    audience_habits habits{};

    /// The limit for the answer to an act.
    std::chrono::milliseconds act_timeout{5'000};
    /// The performance ends if the server refuses this many acts in a row.
    std::size_t max_refused = 100;
    /// The limit for pending answers after stop().
    std::chrono::milliseconds farewell{2'000};

    /// A speech was posted, or already existed.
    std::function<void(speech const&)> on_speech{};
};

struct performance_report {
    std::size_t speeches = 0;              ///< posted, or already there
    std::size_t sent = 0;                  ///< messages
    std::size_t there = 0;                 ///< messages that already existed
    std::array<std::uint64_t, 4> acts{};   ///< acts that succeeded, by action
    std::uint64_t refused = 0;             ///< acts that failed with a server error
    std::uint64_t unknown = 0;             ///< acts without an answer: they may have succeeded
    std::vector<std::string> strangers{};  ///< speakers that were unknown, and are users now
    std::string failure{};                 ///< the last reason of an act that was refused or unknown
    std::chrono::duration<double> took{};
};

/// Performs a play: posts its speeches in order over time, while an audience acts on them.
///
/// Model
///  1. Each speech and each act is a transaction of its own. The clock determines when a step is due, the seed
///     determines what it is: on messages that no other program posts, the same seed gives the same acts.
///  2. A speech that already exists (see rehearse) takes its turn but is not posted again. On a play that is
///     loaded, only the audience adds something.
///  3. While the database is away, the performance waits, and does not catch up later. A speech is tried until it
///     is posted, an act once. An act without an answer is never taken back.
///
/// *Threads*: one implicit strand of the executor.
class performance {
public:
    /// Does no I/O.
    performance(asio::any_io_executor executor, std::vector<speech> speeches, performance_config settings);
    performance(performance const&) = delete;
    performance& operator=(performance const&) = delete;
    ~performance();

    /// Call it once.
    ///
    /// *Errors*: db::error: those of the first connect, a server error for a speech, or for max_refused acts in a
    /// row.
    asio::awaitable<performance_report> run();

    /// Starts nothing new; run() ends when the operations in progress have been answered. Safe to call at any
    /// time.
    void stop() noexcept;

    /// The report so far.
    [[nodiscard]] performance_report const& report() const noexcept;

private:
    std::shared_ptr<performance_stage> stage_;
};

}  // namespace pgtally::play
