#pragma once

#include <pgtally/db/config.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace pgtally::db::detail {

/// Calls the hook, if there is one. What it throws is ignored: a log that fails must take nothing with it.
void log(config const& settings, level at, std::string_view line) noexcept;
/// The same for "KIND WHOSE: LINE".
void log(config const& settings, level at, std::string_view line, std::string_view kind,
         std::string_view whose) noexcept;

/// Whether a reason that comes again and again is worth a word: a new one is, and the same after a while. Pure.
class last_reason {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct heard {
        bool news;
        bool to_be_logged;  ///< news, or the same for a while
    };

    /// With `anew` it is news in any case.
    heard hear(std::string_view reason, time_point now, bool anew = false)
    {
        auto const news = anew || reason != reason_;
        if (news) reason_ = reason;
        auto const log = news || now - logged_at_ >= log_again_after;
        if (log) logged_at_ = now;
        return {news, log};
    }
    /// All is well again.
    void forget() noexcept { reason_.clear(); }

private:
    static constexpr std::chrono::minutes log_again_after{1};

    std::string reason_{};
    time_point logged_at_{};
};

}  // namespace pgtally::db::detail
