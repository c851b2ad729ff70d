#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace pgtally::lab {

/// One line on stderr, written over and over, if that is a terminal; else nothing.
class progress {
public:
    progress();
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;
    ~progress();

    /// What is done now, and how much of it there is.
    void begin(std::string what, std::size_t all);

    /// One more of it.
    void tick();

    /// Takes the line away.
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
