#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::sim {

// What a transaction sees, in PostgreSQL's terms. It is independent of cache::fence, which is under test.
struct snapshot {
    std::uint64_t xmin = 0, xmax = 0;
    std::vector<std::uint64_t> running;  // ascending

    bool sees(std::uint64_t x) const noexcept
    {
        return x < xmax && std::find(running.begin(), running.end(), x) == running.end();
    }

    // As `pg_current_snapshot()` prints it.
    std::string text() const
    {
        std::string out = std::to_string(xmin) + ':' + std::to_string(xmax) + ':';
        for (auto const x : running) out += std::to_string(x) + ',';
        if (!running.empty()) out.pop_back();
        return out;
    }
};

}  // namespace pgtally::sim
