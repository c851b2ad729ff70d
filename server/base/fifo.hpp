#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace pgtally::server {

// A queue that is empty most of the time, and then takes nearly no memory: a std::deque takes half a KiB, which many connections
// would multiply.
template <class T>
class fifo {
public:
    bool empty() const noexcept { return first_ == all_.size(); }
    std::size_t size() const noexcept { return all_.size() - first_; }
    T& front() noexcept { return all_[first_]; }
    auto begin() noexcept { return all_.begin() + static_cast<std::ptrdiff_t>(first_); }
    auto end() noexcept { return all_.end(); }

    void push_back(T value) { all_.push_back(std::move(value)); }

    void pop_front()
    {
        ++first_;
        if (empty()) {
            if (all_.capacity() * sizeof(T) > kept_bytes) all_ = {};
            all_.clear();
            first_ = 0;
        } else if (first_ >= 64 && first_ >= size()) {
            all_.erase(all_.begin(), begin());
            first_ = 0;
        }
    }

    template <class Condition>
    void remove_if(Condition const& condition)
    {
        all_.erase(all_.begin(), begin());
        first_ = 0;
        std::erase_if(all_, condition);
    }

private:
    static constexpr std::size_t kept_bytes = 64;  // so that a short queue does not allocate each time

    std::vector<T> all_{};
    std::size_t first_ = 0;  // those before it are gone
};

}  // namespace pgtally::server
