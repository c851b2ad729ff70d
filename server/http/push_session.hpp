#pragma once

// A connection on which the server writes whenever it has something: a WebSocket or a stream of events.
//
// Model: there may be ten thousand of them, so a session that waits is one object and one wait for its socket: no coroutine, no
// buffer, no timer. When it is ready (ready_queue.hpp), `compose` encodes the next piece, and the socket takes it at once, as a
// rule. What the socket does not take waits in `unsent`, and no further piece is composed until it is gone: at most one is
// unfinished, however slow the client is.
//
// A session owns itself from `start` until the connection ends.
//
// Derived classes decide what is written, and what becomes of what is read.

#include <pgtally/server/base/access_log.hpp>
#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/liveness.hpp>
#include <pgtally/server/http/place_held.hpp>
#include <pgtally/server/http/push_context.hpp>
#include <pgtally/server/http/ready_queue.hpp>
#include <pgtally/server/http/unsent.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace pgtally::server {

class push_session : public client, public ready_session, public std::enable_shared_from_this<push_session> {
public:
    using clock = std::chrono::steady_clock;

    push_session(push_session const&) = delete;
    push_session& operator=(push_session const&) = delete;
    virtual ~push_session() { with_.ready.remove(*this); }

    // Called once. `received`: what the client sent already.
    void start(client_stream stream, ip_address who, place_held place, std::string received);

    void cut() noexcept override;
    void check_liveness(clock::time_point now) override;
    void on_ready() override;

protected:
    explicit push_session(push_context const& with) : with_{with}, liveness_{with.bounds, clock::now()} {}

    push_context const& context() const noexcept { return with_; }
    ip_address const& who() const noexcept { return who_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    double seconds() const noexcept { return std::chrono::duration<double>(clock::now() - started_at_).count(); }

    // There may be something to write.
    void ready() { with_.ready.add(*this); }

    // From now on the client has a short time to end the connection.
    void closing() { liveness_.closing(clock::now()); }

    // Whether all that was composed is written.
    bool is_sent() const noexcept { return unsent_.empty(); }

    // Values that are pushed, and changes that newer ones replaced before.
    void count(std::uint64_t values, std::uint64_t conflated) noexcept;
    std::uint64_t values() const noexcept { return values_; }

    // The line of the access log: client, bytes and seconds are the session's.
    void note_access(served_request what) const;

    // No more bytes come: the client reads the end.
    void shut_down() noexcept { stream_->shut_down(); }

    // Reads again, after `takes_more` said no.
    void read_on();

private:
    // Encodes the next piece into the scratch, and returns false if there is none now.
    virtual bool compose(clock::time_point now) = 0;

    // When `compose` may have something although nobody calls `ready`.
    virtual clock::time_point due() const = 0;

    // Called when all that was composed is written.
    virtual void on_sent() {}

    // Whether to read now: a client that sends more than it takes must wait.
    virtual bool takes_more() const { return true; }
    virtual void take(std::span<char> bytes) = 0;

    // The client closed its side, or the connection broke. Returns false if nothing is to be written any more.
    virtual bool goes_on_writing() { return false; }

    // What the kernel says of a client that only listens says nothing about it.
    virtual bool answers_pings() const = 0;
    virtual void ping() {}

    // Closes it with a reason. Returns false if the protocol has no such message.
    virtual bool close_stalled() { return false; }

    // Called once, at the end.
    virtual void on_end() = 0;

    void wait_to_read();
    void read();
    void read_ended();
    void wait_to_write();
    bool advance();
    void end();
    template <class Step>
    void guarded(Step step) noexcept;
    void did(liveness::action what);

    push_context const& with_;
    std::optional<client_stream> stream_{};  // none: not started
    ip_address who_{};
    place_held place_{};
    liveness liveness_;
    unsent unsent_;
    std::shared_ptr<push_session> self_{};  // until the end
    clock::time_point started_at_{};
    std::uint64_t bytes_ = 0, values_ = 0;
    bool blocked_ = false;  // waits for the socket to take more
    bool paused_ = false;   // does not read
};

}  // namespace pgtally::server
