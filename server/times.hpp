#pragma once

// Times on their way into a histogram of Prometheus.
//
// Model: a histogram locks and counts atomically at each observation, which costs more than the event that it observes. Here a
// time costs one addition, and the histogram gets the sums when somebody reads it.
//
// Threads: one.

#include <prometheus/histogram.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace pgtally::server {

class times {
public:
    // Lifetime: the arguments outlive the object.
    times(prometheus::Histogram& into, std::vector<double> const& bounds)
        : into_{&into}, bounds_{&bounds}, counts_(bounds.size() + 1, 0.0)
    {
    }

    void add(double seconds) noexcept
    {
        auto const bound = std::ranges::lower_bound(*bounds_, seconds);
        ++counts_[static_cast<std::size_t>(bound - bounds_->begin())];
        sum_ += seconds;
    }

    void hand_over()
    {
        into_->ObserveMultiple(counts_, std::exchange(sum_, 0.0));
        std::ranges::fill(counts_, 0.0);
    }

private:
    prometheus::Histogram* into_;
    std::vector<double> const* bounds_;
    std::vector<double> counts_;
    double sum_ = 0;
};

}  // namespace pgtally::server
