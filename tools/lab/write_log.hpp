#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgtally::lab {

/// How far a number is behind.
struct gap {
    std::int64_t writes = 0;         ///< acknowledged, and not in the number
    std::chrono::nanoseconds age{};  ///< since the number became wrong; 0 if it is right
};

/// Records when each of many equal writes was acknowledged, on the readers' clock.
///
/// The age of a number, when its reader gets it, is the time since the first acknowledged write that is missing
/// from it, that is, how long it has been wrong. If no acknowledged write is missing, the age is 0. A number
/// tells how many writes it includes, not which ones: the n-th acknowledged write stands for the n-th commit. A
/// write that is committed and in the number, but not acknowledged yet, hides the age of another one; there is at
/// most one per writer.
class write_log {
public:
    using clock = std::chrono::steady_clock;

    /// Takes at most `most` writes; the writers end then.
    explicit write_log(std::size_t most) : most_(most) {}

    [[nodiscard]] bool full() const noexcept { return times_.size() >= most_; }
    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }

    /// *Preconditions*: `when` never decreases.
    void acknowledge(clock::time_point when);

    /// The gap of a number that includes `shown` writes and is read at `now`.
    [[nodiscard]] gap lacks(std::int64_t shown, clock::time_point now) const noexcept;

private:
    std::size_t most_;
    std::vector<clock::time_point> times_{};
};

}  // namespace pgtally::lab
