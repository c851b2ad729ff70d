#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally {

// Counts payloads that are no events of a tally here. Any role can send them, at any rate, and they must not fill the
// log: this class decides when a log line about them is due. It reads no clock.
class dropped_payloads {
public:
    using time_point = std::chrono::steady_clock::time_point;

    static constexpr std::chrono::seconds report_interval{10};

    void add(std::string_view reason)
    {
        ++unreported_;
        last_reason_ = reason;
    }

    // Returns the log line that is due at `now`, or nothing if none is due.
    std::optional<std::string> report(time_point now)
    {
        if (unreported_ == 0 || (reported_at_ && now - *reported_at_ < report_interval)) return std::nullopt;
        auto line = "dropped " + std::to_string(unreported_) +
                    " payload(s) that are no events of a tally here, the last one as " + last_reason_ +
                    "; any role can send them";
        reported_at_ = now;
        unreported_ = 0;
        return line;
    }

private:
    std::uint64_t unreported_ = 0;
    std::string last_reason_;
    std::optional<time_point> reported_at_;
};

}  // namespace pgtally
