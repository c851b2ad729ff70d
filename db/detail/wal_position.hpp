#pragma once

#include <pgtally/db/lsn.hpp>

#include <algorithm>

namespace pgtally::db::detail {

/// Decides which position a wal_stream reports to its server. One object per connection; a pure class.
///
/// What the consumer confirmed is reported. If nothing is left to be confirmed, what the server has sent without a
/// transaction for the consumer counts too, so that the position moves while nothing happens.
class wal_position {
public:
    explicit wal_position(lsn start = lsn{}) noexcept : reported_(start) {}

    /// The server has sent everything up to `end`.
    void passed(lsn end) noexcept { passed_ = std::max(passed_, end); }

    /// The consumer has applied everything up to `end`, and not more than it has fetched.
    void confirm(lsn end, lsn fetched) noexcept { confirmed_ = std::max(confirmed_, std::min(end, fetched)); }

    /// `unsettled`: a transaction is arriving, or waits to be fetched. `fetched`: the end of the last one that was.
    [[nodiscard]] lsn now(bool unsettled, lsn fetched) const noexcept
    {
        auto const all = !unsettled && confirmed_ >= fetched;
        return std::max(reported_, all ? std::max(confirmed_, passed_) : confirmed_);
    }

    void report(lsn position) noexcept { reported_ = std::max(reported_, position); }
    [[nodiscard]] lsn reported() const noexcept { return reported_; }

private:
    lsn reported_;
    lsn passed_{};
    lsn confirmed_{};
};

}  // namespace pgtally::db::detail
