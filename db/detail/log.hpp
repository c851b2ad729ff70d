#pragma once

#include <pgtally/db/config.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace pgtally::db::detail {

/// Calls the log hook, if there is one. Exceptions of the hook are ignored: a failing log must not fail an
/// operation.
void log(config const& settings, level at, std::string_view line) noexcept;
/// Logs "KIND WHOSE: LINE".
void log(config const& settings, level at, std::string_view line, std::string_view kind,
         std::string_view whose) noexcept;

/// Decides whether a repeated reason is logged: a new reason is, and the same one again after a while. A pure
/// class.
class last_reason {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct heard {
        bool news;
        bool to_be_logged;  ///< news, or the same reason again after a while
    };

    /// If `anew` is true, the reason counts as news.
    heard hear(std::string_view reason, time_point now, bool anew = false)
    {
        auto const news = anew || reason != reason_;
        if (news) reason_ = reason;
        auto const log = news || now - logged_at_ >= log_again_after;
        if (log) logged_at_ = now;
        return {news, log};
    }
    /// Call it after a success.
    void forget() noexcept { reason_.clear(); }

private:
    static constexpr std::chrono::minutes log_again_after{1};

    std::string reason_{};
    time_point logged_at_{};
};

}  // namespace pgtally::db::detail
