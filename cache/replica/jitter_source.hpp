#pragma once

#include <functional>
#include <random>

namespace pgtally {

// Numbers in [0, 1), for pauses with jitter.
inline std::function<double()> jitter_source()
{
    return [engine = std::mt19937_64{std::random_device{}()}]() mutable {
        return std::uniform_real_distribution<double>{0.0, 1.0}(engine);
    };
}

}  // namespace pgtally
