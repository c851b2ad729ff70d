#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgtally::lab {

/// How far a number is behind.
struct gap {
    std::int64_t writes = 0;         ///< acknowledged, and not in the number
    std::chrono::nanoseconds age{};  ///< since the number ceased to be right; 0 if it is
};

/// When each of many like writes was acknowledged, on the clock of those who read.
///
/// The age of a number, at the moment when its reader has it in hand, is the time since the first write was
/// acknowledged that is not in it: so long it has been wrong. If all are in it that were acknowledged until then, it is
/// 0. A number says how many writes are in it, not which: the n-th acknowledged stands for the n-th committed. A write
/// that is committed, in the number and not acknowledged yet hides another one's age, at most one for each writer.
class write_log {
public:
    using clock = std::chrono::steady_clock;

    /// `most` writes are taken; writers end then.
    explicit write_log(std::size_t most) : most_(most) {}

    [[nodiscard]] bool full() const noexcept { return times_.size() >= most_; }
    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }

    /// `when` never goes back.
    void acknowledge(clock::time_point when);

    /// Of a number that has `shown` of the writes in it, in hand at `now`.
    [[nodiscard]] gap lacks(std::int64_t shown, clock::time_point now) const noexcept;

private:
    std::size_t most_;
    std::vector<clock::time_point> times_{};
};

}  // namespace pgtally::lab
