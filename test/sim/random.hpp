#pragma once

#include <cstdint>

namespace pgtally::sim {

// A generator of the same numbers on every machine: splitmix64.
class random {
public:
    explicit random(std::uint64_t seed) noexcept : state_{seed} {}

    std::uint64_t next() noexcept
    {
        state_ += 0x9e3779b97f4a7c15;
        return mix(state_);
    }

    // 0 to `end` - 1.
    std::uint32_t below(std::uint32_t end) noexcept { return static_cast<std::uint32_t>(next() % end); }

    bool chance(std::uint32_t percent) noexcept { return below(100) < percent; }

    static std::uint64_t mix(std::uint64_t z) noexcept
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

private:
    std::uint64_t state_;
};

}  // namespace pgtally::sim
