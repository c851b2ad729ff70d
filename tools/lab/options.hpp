#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace pgtally::lab {

/// Limits of the options.
inline constexpr std::size_t max_workers = 1'000;
inline constexpr std::size_t max_retweets = 1'000'000;         ///< per worker
inline constexpr std::size_t max_retweets_in_all = 5'000'000;  ///< each latency is kept: 40 MB
inline constexpr std::size_t max_spread = 100'000;
inline constexpr std::int64_t max_message = 1'000'000'000;
inline constexpr std::size_t max_attempts = 10'000;
inline constexpr std::size_t max_readers = 1'000;
inline constexpr std::size_t max_history = 1'000'000;
inline constexpr std::chrono::seconds max_seconds{600};
inline constexpr std::chrono::milliseconds min_refresh{10};
inline constexpr std::chrono::milliseconds max_refresh{3'600'000};

/// Who retweets what, and how often.
struct load {
    std::size_t workers = 100;
    std::size_t retweets = 100;   ///< per worker
    std::int64_t message = 3;     ///< the first message
    std::size_t spread = 1;       ///< the number of messages, used in turn
    bool default_workers = true;  ///< `workers` was not given: fewer are used if the server has no room
};

/// The same retweets with one strategy after another.
struct concurrency_options {
    load work{};
    std::vector<std::string> strategies{};  ///< names, in the order of the list; never empty
};

/// The same update under one isolation level after another.
struct isolation_options {
    load work{};
    std::size_t attempts = 1'000;  ///< per retweet, in total
};

/// Two sessions update one row, step by step, under one isolation level after another.
struct walk_options {
    std::int64_t message = 3;
};

/// The ways to read, in the order in which they run.
[[nodiscard]] std::vector<std::string> const& way_names();

/// The cost of a read and the age of its number while writers write, with one way to read after another.
struct reading_options {
    std::size_t writers = 4;
    std::size_t readers = 4;
    std::chrono::seconds seconds{5};           ///< per way
    std::chrono::milliseconds refresh{1'000};  ///< of the materialized view
    std::size_t history = 100'000;             ///< retweets of the message before the run
    std::int64_t message = 3;
    std::vector<std::string> ways = way_names();  ///< in that order; never empty
    std::string program{};                        ///< pgtally; empty: the program beside this one
    std::string url{};                            ///< of a running server; empty: the lab starts one
};

/// Provoked errors, with messages from `message` on.
struct anomalies_options {
    std::int64_t message = 3;
};

using experiment_options =
    std::variant<concurrency_options, isolation_options, walk_options, reading_options, anomalies_options>;

/// All experiments, one after another.
struct all_options {
    std::vector<experiment_options> experiments{};
    std::string report{};  ///< the file of the HTML page; empty: none
};

struct help_text {
    std::string text{};
};

struct request {
    std::string dsn{};
    bool json = false;
    experiment_options what{};
    std::optional<all_options> all{};  ///< if set, `what` is not used
    std::optional<help_text> help{};   ///< if set, nothing else is used
};

/// What is wrong with the command line. It never quotes text that could be a connection string.
class wrong_usage : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Reads the arguments, without the program's name. `strategies` are the known names. Throws wrong_usage.
[[nodiscard]] request read_request(std::vector<std::string> const& arguments,
                                   std::vector<std::string> const& strategies);

extern char const* const usage;       ///< follows an error about the command line
extern char const* const usage_help;  ///< describes the commands, between the usage and the list of options

}  // namespace pgtally::lab
