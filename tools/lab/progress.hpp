#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace pgtally::lab {

/// A line on stderr that is overwritten, if stderr is a terminal; otherwise nothing.
class progress {
public:
    progress();
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;
    ~progress();

    /// Starts a new task with `all` units.
    void begin(std::string what, std::size_t all);

    /// One more unit is done.
    void tick();

    /// Removes the line.
    void end();

private:
    void write();

    bool shown_;
    bool there_ = false;
    std::string what_{};
    std::size_t all_ = 0;
    std::size_t done_ = 0;
    std::chrono::steady_clock::time_point written_{};
};

}  // namespace pgtally::lab
