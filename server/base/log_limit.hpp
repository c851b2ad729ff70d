#pragma once

// Keeps a fault that repeats from filling the log.
//
// Model: a warning or an error is written when it happens first. The same line again within the window is only counted, and
// when the window ends, one line says how often. Lines that differ do not count together, unless there are more of one kind (lines
// that one place in the program writes, whatever their values) in a window than `per_kind`.
//
// Pure: the caller has the clock and the log.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

class log_limit {
public:
    using clock = std::chrono::steady_clock;

    struct bounds {
        std::chrono::seconds window{10};
        std::size_t per_kind = 50;  // different lines of a kind in a window; more are counted only
        std::size_t most = 1'000;   // lines that are remembered; while there are more, lines that differ are written
    };

    log_limit() = default;
    explicit log_limit(bounds chosen) noexcept : bounds_{chosen} {}

    // Whether to write the line. `kind` is the text of its format.
    bool admit(std::string_view kind, std::string_view line, clock::time_point now);

    // What to write of the windows that ended: how often lines were repeated.
    std::vector<std::string> due(clock::time_point now);

private:
    struct counted {
        clock::time_point until{};
        std::uint64_t lines = 0;  // of a kind: different ones that were written
        std::uint64_t skipped = 0;
    };
    using counts = std::map<std::string, counted, std::less<>>;

    static void report(counts& from, clock::time_point now, std::string_view what, std::vector<std::string>& into);

    bounds bounds_{};
    counts lines_, kinds_;
};

}  // namespace pgtally::server
