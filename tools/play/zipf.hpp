#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace pgtally::play {

/// Zipf's law: rank r, counted from 1, is chosen in proportion to r^-exponent. The number of ranks may differ
/// between draws. A pure class: the caller supplies the random numbers.
class zipf {
public:
    /// *Preconditions*: exponent >= 0. With 0 all ranks are equal; 1 is Zipf's original law.
    explicit zipf(double exponent) : exponent_(exponent) {}

    /// Returns an index below `ranks`, 0 being the most popular, for a number drawn evenly from [0, 1).
    ///
    /// *Preconditions*: ranks >= 1.
    [[nodiscard]] std::size_t place(double drawn, std::size_t ranks)
    {
        while (sums_.size() < ranks) {
            auto const rank = static_cast<double>(sums_.size() + 1);
            sums_.push_back((sums_.empty() ? 0.0 : sums_.back()) + std::pow(rank, -exponent_));
        }
        auto const end = sums_.begin() + static_cast<std::ptrdiff_t>(ranks);
        auto const found = std::upper_bound(sums_.begin(), end, drawn * sums_[ranks - 1]);
        // The product may be rounded up to the sum itself.
        return std::min(static_cast<std::size_t>(found - sums_.begin()), ranks - 1);
    }

private:
    double exponent_;
    std::vector<double> sums_{};  // of the weights of the ranks so far
};

}  // namespace pgtally::play
