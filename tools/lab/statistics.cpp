#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace pgtally::lab {

std::chrono::microseconds percentile(std::vector<std::chrono::microseconds>& times, double share)
{
    if (times.empty()) return {};
    auto const rank = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(times.size()));
    auto const place = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
    std::nth_element(times.begin(), times.begin() + place, times.end());
    return times[static_cast<std::size_t>(place)];
}

double per_second(std::size_t count, std::chrono::duration<double> took) noexcept
{
    return took.count() > 0 ? static_cast<double>(count) / took.count() : 0;
}

}  // namespace pgtally::lab
