#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace pgtally::lab {

/// Bounds of what may be asked for.
inline constexpr std::size_t max_workers = 1'000;
inline constexpr std::size_t max_retweets = 1'000'000;         ///< of a worker
inline constexpr std::size_t max_retweets_in_all = 5'000'000;  ///< each one's latency is kept: 40 MB
inline constexpr std::size_t max_spread = 100'000;
inline constexpr std::int64_t max_message = 1'000'000'000;
inline constexpr std::size_t max_attempts = 10'000;

/// Who retweets what, and how often.
struct load {
    std::size_t workers = 100;
    std::size_t retweets = 100;  ///< of each worker
    std::int64_t message = 3;    ///< the first of them
    std::size_t spread = 1;      ///< that many messages, in turn
};

/// The same retweets by one strategy after the other.
struct concurrency_options {
    load work{};
    std::vector<std::string> strategies{};  ///< names, in the order of the list; never empty
};

/// The same update under one isolation level after the other.
struct isolation_options {
    load work{};
    std::size_t attempts = 1'000;  ///< of each retweet, in all
};

/// Two sessions update one row, step by step, under one isolation level after the other.
struct walk_options {
    std::int64_t message = 3;
};

/// What goes wrong, provoked; messages from `message` on.
struct anomalies_options {
    std::int64_t message = 3;
};

struct help_text {
    std::string text{};
};

struct request {
    std::string dsn{};
    bool json = false;
    std::variant<help_text, concurrency_options, isolation_options, walk_options, anomalies_options> what{};
};

/// What is wrong with the command line, for people. It quotes nothing that could be a connection string.
class wrong_usage : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What the arguments (without the program's name) ask for. `strategies` are the names that exist. Throws wrong_usage.
[[nodiscard]] request read_request(std::vector<std::string> const& arguments,
                                   std::vector<std::string> const& strategies);

extern char const* const usage;

}  // namespace pgtally::lab
