#include "statistics.hpp"

namespace pgtally::lab {

double per_second(std::size_t count, std::chrono::duration<double> took) noexcept
{
    return took.count() > 0 ? static_cast<double>(count) / took.count() : 0;
}

}  // namespace pgtally::lab
