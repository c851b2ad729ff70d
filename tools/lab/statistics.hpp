#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace pgtally::lab {

/// The time below or at which `share` (0 to 1) of all lie, by nearest rank: always one that was measured. 0 of none.
/// Orders `times` as far as it needs.
[[nodiscard]] std::chrono::microseconds percentile(std::vector<std::chrono::microseconds>& times, double share);

/// How many a second; 0 when no time passed.
[[nodiscard]] double per_second(std::size_t count, std::chrono::duration<double> took) noexcept;

}  // namespace pgtally::lab
