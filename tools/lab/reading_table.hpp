#pragma once

#include "options.hpp"
#include "statistics.hpp"
#include "table.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::lab {

/// For each of three series: 24 MB in total.
inline constexpr std::size_t max_samples = std::size_t{1} << 20;

/// What the readers of one way measured.
struct reads {
    samples<std::chrono::nanoseconds> latencies{max_samples};
    samples<std::chrono::nanoseconds> ages{max_samples};  ///< see write_log
    samples<std::int64_t> behinds{max_samples};
    std::size_t written = 0;  ///< acknowledged during the run
    bool exact = false;       ///< at the end
};

[[nodiscard]] table empty_reading_table();

[[nodiscard]] std::vector<cell> reading_row(std::string const& name, reads& done, reading_options const& chosen,
                                            std::string const& remark);

/// The row of a way that is not available here.
[[nodiscard]] std::vector<cell> absent_row(std::string const& name, std::string const& why);

/// "4 writers and 4 readers of message 3 for 5 s, 100,000 retweets before".
[[nodiscard]] std::string describe(reading_options const& chosen);

[[nodiscard]] boost::json::object settings_of(reading_options const& chosen, std::string const& server_version);

}  // namespace pgtally::lab
