#pragma once

// One stream of events: a subscription, from its snapshot to its end.
//
// Model: `next` returns what to send, one piece at a time, when the connection can take one: first `retry:`, then what
// `client_subscriptions` has, and a comment whenever the time for one has come. A stream ends by itself after an event
// `unsubscribed`, because the tally is dropped or the client's token ended, or `error`, because a subscription that waited for the definitions
// cannot begin.
//
// Not promised: that anything is sent. This class knows no socket and no clock.

#include <pgtally/server/auth/token_term.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/push/client_subscriptions.hpp>
#include <pgtally/server/push/shared_changes.hpp>
#include <pgtally/server/sse/sse_encoder.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace pgtally::server {

class sse_protocol {
public:
    using clock = client_subscriptions::clock;

    // `ready` is called whenever `next` may have something. Lifetime: the referenced objects outlive this one.
    sse_protocol(tally_directory& tallies, shared_changes& shared, limits const& bounds, audience who,
                 std::shared_ptr<rights const> may, std::function<void()> ready);
    sse_protocol(sse_protocol const&) = delete;
    sse_protocol& operator=(sse_protocol const&) = delete;

    // Why there cannot be such a stream; nothing if it begins. Called once, before all others.
    std::optional<refusal> begin(subscribe_request what, std::chrono::milliseconds retry, clock::time_point now);

    // The client's rights end with its token. After that it has those of anybody.
    void ends_with_token(std::chrono::sys_seconds until, std::shared_ptr<rights const> anybody, moment now);

    // What to send next; the caller sends it. False if there is nothing now.
    bool next(sse_message& out, clock::time_point now);

    // Whether the last piece that `next` returned was the last of the stream.
    bool ended() const noexcept { return ended_; }

    // When `next` has something although `ready` is not called.
    clock::time_point due() const noexcept;

    // See client_subscriptions.
    void on_replicas_changed() { subscriptions_.on_replicas_changed(); }
    std::size_t pending() const noexcept { return subscriptions_.pending(); }

private:
    shared_changes& shared_;
    limits const& bounds_;
    client_subscriptions subscriptions_;
    std::optional<std::chrono::milliseconds> retry_;
    clock::time_point comment_at_ = clock::time_point::max();
    token_term term_;
    std::shared_ptr<rights const> anybody_{};
    bool ended_ = false;
    push push_;
};

}  // namespace pgtally::server
