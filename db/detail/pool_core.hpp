#pragma once

#include <pgtally/db/backoff.hpp>
#include <pgtally/db/pool_counters.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace pgtally::db::detail {

enum class member_id : std::uint64_t {};  ///< a connection of a pool, or the attempt at one
enum class ticket : std::uint64_t {};     ///< a place in the line

struct pool_limits {
    std::size_t max_connections = 1;
    std::size_t min_idle = 0;
    std::size_t max_waiting = 0;
    std::size_t max_connecting = 1;
    std::size_t max_connecting_after_failure = 1;
    std::chrono::milliseconds idle_check_after{0};
    std::chrono::milliseconds max_idle{0};
    std::chrono::milliseconds max_lifetime{0};
    backoff_limits retry{};
};

/// What is to be done next.
struct pool_step {
    enum class kind {
        nothing,    ///< wait, until wake_at() at the latest
        hand_over,  ///< `member` is the one of `waiter`, who is out of the line
        connect,    ///< open `member`, then connected() or connect_failed()
        check,      ///< try `member`, then tended()
        close,      ///< `member` is out of the pool
    };
    kind what = kind::nothing;
    member_id member{};
    ticket waiter{};
};

/// How a connection comes back.
enum class returned {
    unused,    ///< whoever it was for had left
    clean,     ///< fit for the next
    unclean,   ///< open, and something has to be done first
    broken,    ///< closed
    discarded  ///< not wanted any more
};

/// What becomes of it.
enum class fate {
    kept,  ///< it is idle
    tend,  ///< clean it, then tended()
    close  ///< it is out of the pool
};

/// All that a pool decides: who is next, how many to connect and when, what becomes of a connection that
/// comes back. Pure: it touches no connection, reads no clock, and chance comes from outside.
///
/// Model
///  1. Callers stand in one line. An idle connection goes to the first of it, the one used last first, so
///     that those too many grow old.
///  2. Connections are made for those in line who have none coming, and to keep min_idle.
///  3. After a failure so few attempts run at a time as max_connecting_after_failure says, until one
///     succeeds, with growing pauses. The pauses begin again with the shortest when a connection has been
///     of use.
class pool_core {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// random() yields numbers in [0, 1).
    pool_core(pool_limits limits, std::function<double()> random);

    /// Nothing: too many wait already.
    [[nodiscard]] std::optional<ticket> enter();

    /// Whoever entered last was not served at once.
    void waits() noexcept { ++counters_.waited; }

    enum class leaving { timed_out, cancelled };
    /// False: that one is not in line.
    bool leave(ticket whose, leaving why);

    /// To be called until there is nothing to do, after every call that changes something.
    [[nodiscard]] pool_step next(time_point now);

    /// When next() has to be called though nothing happened; time_point::max(): never.
    [[nodiscard]] time_point wake_at() const;

    void connected(member_id which, time_point now);
    /// Gives those in line who have nothing more to wait for. They are out of it.
    [[nodiscard]] std::vector<ticket> connect_failed(member_id which, bool permanent, time_point now);
    [[nodiscard]] fate came_back(member_id which, returned how, time_point now);
    [[nodiscard]] fate tended(member_id which, bool good, time_point now);
    /// What was to be done with it could not be: it is out of the pool.
    void give_up(member_id which, time_point now);

    /// There is no connection, the last attempt failed for good, and the next one is not due.
    [[nodiscard]] bool hopeless(time_point now) const noexcept;

    /// Gives all in line. The pool is empty then, and stays so.
    [[nodiscard]] std::vector<ticket> stop();
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }

    [[nodiscard]] pool_counters counters() const;

private:
    enum class state { connecting, idle, checked, cleaned, in_use };
    struct member {
        state now = state::connecting;
        time_point idle_since{};
        time_point expires = time_point::max();
        bool proven = false;  // it has been of use to somebody
    };
    using members = std::map<member_id, member>;

    [[nodiscard]] pool_step hand_out();
    [[nodiscard]] pool_step check();
    [[nodiscard]] std::optional<member_id> take_expired(time_point now);
    [[nodiscard]] bool wants_check(member_id which, time_point now) const;
    [[nodiscard]] bool too_few() const noexcept;
    [[nodiscard]] bool may_connect() const noexcept;
    [[nodiscard]] time_point due(member_id which) const;
    [[nodiscard]] std::size_t count(state wanted) const noexcept;
    [[nodiscard]] fate drop(members::iterator which);
    [[nodiscard]] fate keep(members::iterator which, time_point now);
    void fail(members::iterator which, time_point now);
    void pause(time_point now);
    void distrust_stale(time_point now);

    pool_limits limits_;
    std::function<double()> random_;
    backoff retry_;
    members members_{};
    std::vector<member_id> idle_{};  // the one used last is the last
    std::deque<ticket> queue_{};
    pool_counters counters_{};
    std::uint64_t last_member_ = 0;
    std::uint64_t last_ticket_ = 0;
    time_point retry_at_ = time_point::min();
    bool failing_ = false;
    bool permanent_ = false;
    bool begun_ = false;
    bool stopped_ = false;
};

}  // namespace pgtally::db::detail
