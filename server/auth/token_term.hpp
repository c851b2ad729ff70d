#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace pgtally::server {

// A time by both clocks: tokens end by the clock on the wall, connections wait by the one that is never set.
struct moment {
    std::chrono::steady_clock::time_point steady{};
    std::chrono::sys_seconds wall{};

    static moment now()
    {
        return {std::chrono::steady_clock::now(),
                std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
    }
};

// The term of the token of one connection.
//
// Model: a token begins a term, and a further one replaces it. `ends` says once that the term is over. If no further token
// comes for the patience, the connection is `overdue`. A connection that never had a token has no term, and is never overdue.
//
// This class knows no clock.
class token_term {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // Without a patience, a connection is never overdue.
    explicit token_term(std::optional<std::chrono::seconds> patience = std::nullopt) noexcept : patience_{patience} {}

    // A token is taken that ends at `until`.
    void begin(std::chrono::sys_seconds until, moment now) noexcept
    {
        // The end of the world is too far for a clock that counts nanoseconds.
        auto const left = std::min<std::chrono::seconds>(until - now.wall, std::chrono::years{10});
        end_ = now.steady + left;
        told_ = false;
    }

    // Whether the term is over; true once.
    bool ends(time_point now) noexcept
    {
        if (!end_ || told_ || now < *end_) return false;
        told_ = true;
        return true;
    }

    bool overdue(time_point now) const noexcept { return end_ && told_ && patience_ && now >= *end_ + *patience_; }

    // When one of the above becomes true; max() if none does.
    time_point due() const noexcept
    {
        if (!end_ || (told_ && !patience_)) return time_point::max();
        return told_ ? *end_ + *patience_ : *end_;
    }

private:
    std::optional<std::chrono::seconds> patience_;
    std::optional<time_point> end_;
    bool told_ = false;
};

}  // namespace pgtally::server
