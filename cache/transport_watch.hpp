#pragma once

// Decides whether a transport delivers what is sent through the database.
//
// Model: a transport is open or not. While it is open, a heartbeat is due every interval, the first one at once. A
// heartbeat is a barrier that the database takes and that comes back by this transport. If none of three comes back,
// the transport is deaf: it is connected to another server than the one that takes the heartbeats, or something in
// between keeps events away. The watch then counts the transport as closed and says why; the caller restarts it.
//
// Guarantees:
//   - A transport stays open for at most three intervals after it opened or after the last heartbeat came back.
//   - Only a heartbeat that was sent after the transport opened proves anything, and it counts once.
//   - Deafness is permanent if the database takes heartbeats and none came back since the transport opened: a new
//     connection of the same kind receives nothing either. It counts as permanent until a heartbeat comes back.
//
// Not promised: that a missing event is noticed if it was never sent by this transport. The watch sees heartbeats only.
//
// The watch waits for nothing and reads no clock.

#include <pgtally/cache/reason.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally {

class transport_watch {
public:
    using clock = std::chrono::steady_clock;
    using time_point = clock::time_point;

    // How many heartbeats may be under way, and how many may be missing before the transport is deaf.
    static constexpr int missed_heartbeats = 3;

    struct heartbeat {
        std::string id;  // of the barrier
        time_point sent;
    };

    // `transport` is the transport's name in definitions. `interval` > 0.
    transport_watch(std::string transport, clock::duration interval);

    // The transport is open: from here on every event arrives.
    void opened(time_point now);

    // The transport was lost, or was restarted because it is deaf. Returns whether the trouble is permanent:
    // `permanent` is true, or the reason is a deafness that is permanent.
    bool lost(cache::reason const& why, bool permanent);

    bool is_open() const noexcept { return open_; }

    // How often the transport opened.
    std::uint64_t openings() const noexcept { return openings_; }

    // Why the transport is not open; empty if it is open or was never lost.
    cache::reason const& trouble() const noexcept { return trouble_; }
    bool trouble_is_permanent() const noexcept { return !trouble_.empty() && trouble_permanent_; }

    // When the next heartbeat is due; max() while the transport is not open.
    time_point next_heartbeat() const noexcept;

    // Begins a heartbeat. If more than three are under way, the oldest no longer counts.
    // Preconditions: the transport is open.
    heartbeat send_heartbeat(time_point now);

    // The database took a heartbeat. `pooled`: another backend answered than the one that was connected to.
    void taken(heartbeat const& one, bool pooled) noexcept;

    // A barrier came back by this transport. Returns the round trip if it is a heartbeat under way.
    std::optional<clock::duration> came_back(std::string_view id, time_point now);

    // Heartbeats under way, oldest first.
    std::size_t under_way() const noexcept { return under_way_.size(); }

    // When the transport will count as deaf unless a heartbeat comes back; max() while the transport is not open.
    time_point deaf_at() const noexcept;

    // If the transport is deaf at `now`, counts it as closed and returns the reason for the restart. `why_none_sent`
    // says why heartbeats cannot be sent; empty if unknown.
    std::optional<cache::reason> give_up_if_deaf(time_point now, cache::reason const& why_none_sent);

    // Whether the transport was given up, and the reason is permanent and still stands.
    bool deaf_for_good() const noexcept { return deaf_for_good_; }

private:
    std::string transport_;
    clock::duration interval_;
    bool open_ = false;
    std::uint64_t openings_ = 0;
    time_point opened_at_{};
    time_point last_back_{};  // or when the transport opened
    time_point due_ = time_point::max();
    std::optional<time_point> taken_;  // when the last heartbeat was sent that the database took since the opening
    bool pooled_ = false;
    bool any_back_ = false;  // since the transport opened
    std::deque<heartbeat> under_way_;
    cache::reason trouble_;
    bool trouble_permanent_ = false;
    cache::reason deaf_reason_;  // until a heartbeat comes back
    bool deaf_for_good_ = false;
};

}  // namespace pgtally
