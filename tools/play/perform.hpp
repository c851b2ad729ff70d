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

/// An aggregate: make it before the co_await expression that passes it.
struct performance_config {
    db::config connection{};
    std::uint64_t seed = 0;
    double rate = 10;             ///< speeches and acts, per second; > 0
    std::size_t per_speech = 10;  ///< acts between two speeches
    until end = until::play_ends;
    std::uint64_t acts = 0;  ///< for until::acts
    audience_habits habits{};

    /// How long the answer to an act may take.
    std::chrono::milliseconds act_timeout{5'000};
    /// So many acts in a row that the server refuses end it.
    std::size_t max_refused = 100;
    /// How long stop() waits for answers that are due.
    std::chrono::milliseconds farewell{2'000};

    /// A speech was said, or was there already.
    std::function<void(speech const&)> on_speech{};
};

struct performance_report {
    std::size_t speeches = 0;              ///< that were said, or were there
    std::size_t sent = 0;                  ///< messages
    std::size_t there = 0;                 ///< messages that had been sent before
    std::array<std::uint64_t, 4> acts{};   ///< that were done, by action
    std::uint64_t refused = 0;             ///< acts that were not done, by an error of the server's
    std::uint64_t unknown = 0;             ///< acts whose answer never came: done or not
    std::vector<std::string> strangers{};  ///< speakers that nobody knew: users now
    std::string failure{};                 ///< the last reason of those refused or unknown
    std::chrono::duration<double> took{};
};

/// Performs a play: its speeches are sent in order, by and by, and an audience acts on those that were sent.
///
/// Model
///  1. Each speech is a transaction of its own, each act too. What is due when is a matter of the clock, what
///     it is of the seed alone: on messages that nobody else sends the same seed gives the same acts.
///  2. A speech that was sent before (see rehearse) has its turn, but is not sent again: of a play that is
///     loaded only the audience adds something.
///  3. While the database is away it waits. What was due meanwhile is not made up for. A speech is tried until
///     it is said, an act once: no answer, and nobody takes it back later.
///
/// Threads: one implicit strand, that of the executor.
class performance {
public:
    /// Does no I/O.
    performance(asio::any_io_executor executor, std::vector<speech> speeches, performance_config settings);
    performance(performance const&) = delete;
    performance& operator=(performance const&) = delete;
    ~performance();

    /// Once. Throws db::error: what the first connection does, what the server refuses of a speech, or an act
    /// max_refused times.
    asio::awaitable<performance_report> run();

    /// Nothing new is begun; run() ends when what is under way was answered. Safe at any time.
    void stop() noexcept;

    /// As it is so far.
    [[nodiscard]] performance_report const& report() const noexcept;

private:
    std::shared_ptr<performance_stage> stage_;
};

}  // namespace pgtally::play
