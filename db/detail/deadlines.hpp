#pragma once

#include <boost/intrusive/set.hpp>

#include <chrono>

namespace pgtally::db::detail {

/// Base of the members of `deadlines`. Destroying a member removes it.
struct with_deadline : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// Deadlines in order of time. Adding the latest one (the usual case) and removing any take constant time and no
/// memory. A pure class.
class deadlines {
public:
    using time_point = std::chrono::steady_clock::time_point;

    void add(with_deadline& one) { by_time_.insert(by_time_.end(), one); }
    static void remove(with_deadline& one) noexcept
    {
        if (one.is_linked()) one.unlink();
    }

    [[nodiscard]] bool empty() const noexcept { return by_time_.empty(); }

    /// The earliest deadline.
    ///
    /// *Preconditions*: not empty.
    [[nodiscard]] time_point next() const noexcept { return by_time_.begin()->deadline; }

    /// Removes and returns a member whose deadline has passed; null if there is none.
    [[nodiscard]] with_deadline* take_due(time_point now) noexcept
    {
        if (by_time_.empty() || next() > now) return nullptr;
        auto& due = *by_time_.begin();
        by_time_.erase(by_time_.begin());
        return &due;
    }

private:
    struct sooner {
        bool operator()(with_deadline const& a, with_deadline const& b) const noexcept
        {
            return a.deadline < b.deadline;
        }
    };
    boost::intrusive::multiset<with_deadline, boost::intrusive::compare<sooner>,
                               boost::intrusive::constant_time_size<false>>
        by_time_{};
};

}  // namespace pgtally::db::detail
