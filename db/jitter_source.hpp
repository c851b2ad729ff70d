#pragma once

#include <functional>
#include <random>

namespace pgtally::db {

/// A source of numbers in [0, 1) for pauses with jitter. Each source has its own seed, so that
/// processes that start together do not pause in step. Not for secrets.
[[nodiscard]] inline std::function<double()> jitter_source()
{
    return [engine = std::minstd_rand{std::random_device{}()}]() mutable {
        return std::generate_canonical<double, 32>(engine);
    };
}

}  // namespace pgtally::db
