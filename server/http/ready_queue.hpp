#pragma once

// The sessions that may have something to write.
//
// Model: when a tally changes, all sessions that follow it become ready in the middle of that turn. They write later, one after
// another, in a call of their own from the loop, and a few in each, so that the loop stays able to serve others between.
// One call of the loop serves many sessions: none needs a timer or a coroutine to be woken. A session for which something is
// due at a time is woken by the queue's own timer.

#include <pgtally/server/base/net.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace pgtally::server {

class ready_session {
public:
    // Writes what there is. Called by the queue only.
    virtual void on_ready() = 0;

protected:
    ~ready_session() = default;

private:
    friend class ready_queue;
    bool queued_ = false;
    std::chrono::steady_clock::time_point due_ = std::chrono::steady_clock::time_point::max();
};

class ready_queue {
public:
    using clock = std::chrono::steady_clock;

    // `most`: the sessions that write in one call.
    ready_queue(asio::io_context& io, std::size_t most) : io_{io}, most_{most}, timer_{io} {}
    ready_queue(ready_queue const&) = delete;
    ready_queue& operator=(ready_queue const&) = delete;

    // Nothing happens if the session is there already.
    void add(ready_session& which);

    // Adds the session at this time; max(): never. Only the last call counts. One timer serves all sessions.
    void wake_at(ready_session& which, clock::time_point when);

    // To be called before a session is destroyed.
    void remove(ready_session& which) noexcept;

private:
    void run();
    void wait();
    void wake();
    void forget(ready_session& which) noexcept;

    asio::io_context& io_;
    std::size_t const most_;
    std::vector<ready_session*> waiting_;  // null: removed
    std::size_t first_ = 0;                // before it, all had their turn
    bool running_ = false;                 // a call of `run` is to come
    std::set<std::pair<clock::time_point, ready_session*>> due_;
    asio::steady_timer timer_;
};

}  // namespace pgtally::server
