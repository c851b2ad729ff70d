#pragma once

// The sessions that may have something to write.
//
// Model: when a tally changes, all sessions that follow it become ready in the middle of that turn. They write later, one after
// another, in a call of their own from the loop, and a few in each, so that the loop stays able to serve others between.
// One call of the loop serves many sessions: none needs a timer or a coroutine to be woken.

#include <pgtally/server/base/net.hpp>

#include <cstddef>
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
};

class ready_queue {
public:
    // `most`: the sessions that write in one call.
    ready_queue(asio::io_context& io, std::size_t most) noexcept : io_{io}, most_{most} {}
    ready_queue(ready_queue const&) = delete;
    ready_queue& operator=(ready_queue const&) = delete;

    // Nothing happens if the session is there already.
    void add(ready_session& which);

    // To be called before a session is destroyed.
    void remove(ready_session& which) noexcept;

private:
    void run();

    asio::io_context& io_;
    std::size_t const most_;
    std::vector<ready_session*> waiting_;  // null: removed
    std::size_t first_ = 0;                // before it, all had their turn
    bool running_ = false;                 // a call of `run` is to come
};

}  // namespace pgtally::server
