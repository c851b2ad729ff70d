#include "write_log.hpp"

#include <algorithm>

namespace pgtally::lab {

void write_log::acknowledge(clock::time_point when)
{
    times_.push_back(when);
}

gap write_log::lacks(std::int64_t shown, clock::time_point now) const noexcept
{
    auto const has = static_cast<std::size_t>(std::max<std::int64_t>(shown, 0));
    if (has >= times_.size()) return {};
    return {static_cast<std::int64_t>(times_.size() - has), now - times_[has]};
}

}  // namespace pgtally::lab
