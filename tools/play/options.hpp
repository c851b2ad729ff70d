#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::play {

enum class command {
    load,
    perform,
    help,  ///< the help is in `text`
};

struct request {
    command what = command::help;
    std::string text{};
    std::string file{};  ///< empty: the play inside the program
    std::string dsn{};
    double rate = 10;
    std::size_t per_speech = 10;
    std::optional<std::uint64_t> seed{};
    std::optional<std::uint64_t> count{};
    bool encore = false;
};

/// Reads the command line, and the database also from the environment. Throws boost::program_options::error,
/// whose text says what is wrong.
[[nodiscard]] request read_request(std::vector<std::string> const& words);

/// One line.
extern char const* const usage;

}  // namespace pgtally::play
