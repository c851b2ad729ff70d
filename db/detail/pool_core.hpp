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

enum class member_id : std::uint64_t {};  ///< a connection of a pool, or an attempt to open one
enum class ticket : std::uint64_t {};     ///< a place in the queue

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

/// What the pool must do next.
struct pool_step {
    enum class kind {
        nothing,    ///< wait, until wake_at() at the latest
        hand_over,  ///< give `member` to `waiter`, which has left the queue
        connect,    ///< open `member`, then call connected() or connect_failed()
        check,      ///< test `member`, then call tended()
        close,      ///< close `member`, which has left the pool
    };
    kind what = kind::nothing;
    member_id member{};
    ticket waiter{};
};

/// The state of a returned connection.
enum class returned {
    unused,    ///< its caller had left
    clean,     ///< fit for the next caller
    unclean,   ///< open; needs cleanup
    broken,    ///< closed
    discarded  ///< must be closed
};

/// What happens to a returned connection.
enum class fate {
    kept,  ///< it is idle
    tend,  ///< clean it, then call tended()
    close  ///< it has left the pool
};

/// Makes all decisions of a pool: who is next, how many connections to open and when, what happens to a returned
/// connection. A pure class: it touches no connection and reads no clock, and the caller supplies the random
/// numbers.
///
/// Model
///  1. Callers wait in one queue. The first caller gets the idle connection that was used last, so that surplus
///     connections grow old.
///  2. The pool opens a connection for each queued caller for which none is being opened, and to keep min_idle.
///  3. After a failure only max_connecting_after_failure attempts run at a time, with growing pauses, until one
///     succeeds. The pauses start short again after a connection has been useful.
class pool_core {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// random() returns numbers in [0, 1).
    pool_core(pool_limits limits, std::function<double()> random);

    /// Returns nothing if too many callers are waiting.
    [[nodiscard]] std::optional<ticket> enter();

    /// Records that the last caller was not served at once.
    void waits() noexcept { ++counters_.waited; }

    enum class leaving { timed_out, cancelled };
    /// Returns false if the caller is not in the queue.
    bool leave(ticket whose, leaving why);

    /// Call it after every change, until it returns `nothing`.
    [[nodiscard]] pool_step next(time_point now);

    /// When next() must be called even if nothing happens; time_point::max(): never.
    [[nodiscard]] time_point wake_at() const;

    void connected(member_id which, time_point now);
    /// Returns the callers that have nothing left to wait for. They have left the queue.
    [[nodiscard]] std::vector<ticket> connect_failed(member_id which, bool permanent, time_point now);
    [[nodiscard]] fate came_back(member_id which, returned how, time_point now);
    [[nodiscard]] fate tended(member_id which, bool good, time_point now);
    /// The step for `which` failed: it has left the pool.
    void give_up(member_id which, time_point now);

    /// True if there is no connection, the last attempt failed permanently, and the next one is not due.
    [[nodiscard]] bool hopeless(time_point now) const noexcept;

    /// Returns all callers in the queue. The pool is then empty for good.
    [[nodiscard]] std::vector<ticket> stop();
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }

    [[nodiscard]] pool_counters counters() const;

private:
    enum class state { connecting, idle, checked, cleaned, in_use };
    struct member {
        state now = state::connecting;
        time_point idle_since{};
        time_point expires = time_point::max();
        bool proven = false;  // it has been useful to a caller
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
    std::vector<member_id> idle_{};  // the one used last is at the end
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
