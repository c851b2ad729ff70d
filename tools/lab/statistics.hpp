#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

namespace pgtally::lab {

/// The percentile `share` (0 to 1) by nearest rank, which is always a measured value; T() if there is none.
/// Partially sorts `values`.
template <class T>
[[nodiscard]] T percentile(std::vector<T>& values, double share)
{
    if (values.empty()) return T();
    auto const rank = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(values.size()));
    auto const place = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
    std::nth_element(values.begin(), values.begin() + place, values.end());
    return values[static_cast<std::size_t>(place)];
}

/// Keeps at most `most` measured values. When it is full, it discards every second one, and takes half as many
/// from then on. Percentiles stay close to the true ones; the greatest value is exact.
template <class T>
class samples {
public:
    explicit samples(std::size_t most) : most_(std::max<std::size_t>(most, 2)) {}

    void add(T value)
    {
        greatest_ = added_ == 0 ? value : std::max(greatest_, value);
        if (added_++ % stride_ != 0) return;
        if (kept_.size() == most_) {
            for (std::size_t i = 0; 2 * i < kept_.size(); ++i) kept_[i] = kept_[2 * i];
            kept_.resize((kept_.size() + 1) / 2);
            stride_ *= 2;
            if ((added_ - 1) % stride_ != 0) return;
        }
        kept_.push_back(value);
    }

    [[nodiscard]] std::size_t added() const noexcept { return added_; }
    [[nodiscard]] std::size_t kept() const noexcept { return kept_.size(); }
    [[nodiscard]] T greatest() const noexcept { return greatest_; }  ///< T() if there is none
    [[nodiscard]] T at(double share) { return percentile(kept_, share); }

private:
    std::size_t most_;
    std::size_t stride_ = 1;
    std::size_t added_ = 0;
    T greatest_{};
    std::vector<T> kept_{};
};

/// Events per second; 0 if no time has passed.
[[nodiscard]] inline double per_second(std::size_t count, std::chrono::duration<double> took) noexcept
{
    return took.count() > 0 ? static_cast<double>(count) / took.count() : 0;
}

}  // namespace pgtally::lab
