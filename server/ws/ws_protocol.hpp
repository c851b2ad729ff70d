#pragma once

// The subprotocol `pgtally.v1` of one WebSocket.
//
// Model: the client's messages go in (`receive`), and the server's come out (`next`), one at a time, when the socket
// can take one. Answers to the client's messages are a short queue; while it is full, the session does not read from
// the client. `client_subscriptions` decides what to push, and `ws_encoder` writes it.
//
// A token (`auth`) changes what the client may. When it ends, its subscriptions end too, and if no further one comes, the
// connection must be closed.
//
// Guarantees: every refused message is answered with an error, and no text ends the connection.
//
// Not promised: that anything is sent. This class knows no socket and no clock.

#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/auth/token_term.hpp>
#include <pgtally/server/base/fifo.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/push/client_subscriptions.hpp>
#include <pgtally/server/push/shared_changes.hpp>
#include <pgtally/server/ws/client_message.hpp>
#include <pgtally/server/ws/ws_encoder.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

namespace pgtally::server {

class ws_protocol {
public:
    using clock = client_subscriptions::clock;

    // `ready` is called whenever `next` may have something. Lifetime: the other arguments outlive this object.
    // `by`: what the client may from the beginning, by the token of its request if it had one. Without `who_may` there are no
    // tokens.
    ws_protocol(tally_directory& tallies, shared_changes& shared, limits const& bounds, audience who,
                authority const* who_may, permit by, moment now, std::function<void()> ready);
    ws_protocol(ws_protocol const&) = delete;
    ws_protocol& operator=(ws_protocol const&) = delete;

    void receive(std::string_view text, moment now);

    // Whether the connection must be closed: its token ended, and for the whole patience no further one came.
    bool overdue(clock::time_point now) const noexcept { return term_.overdue(now); }

    // Whether the session must not read from the client for now.
    bool full() const noexcept { return replies_.size() >= bounds_.max_replies; }

    // The next message; the caller sends it. False if there is none now.
    bool next(ws_message& out, clock::time_point now);

    // See client_subscriptions.
    clock::time_point due() const noexcept { return std::min(term_.due(), subscriptions_.due()); }
    void time_is(clock::time_point now);
    void on_replicas_changed() { subscriptions_.on_replicas_changed(); }
    std::size_t pending() const noexcept { return subscriptions_.pending(); }

private:
    void reply(std::string text);
    void reply_if(std::optional<refusal> const& refused);

    void follow(subscribe_message& m) { reply_if(subscriptions_.subscribe(std::move(m))); }
    void follow(track_message& m) { reply_if(subscriptions_.track(m.id, m.keys)); }
    void follow(untrack_message& m) { reply_if(subscriptions_.untrack(m.id, m.keys)); }
    void follow(unsubscribe_message& m);
    void follow(auth_message& m);
    void follow(ping_message&) { reply(encode_pong()); }
    void follow(refusal& r) { reply(encode_error(r)); }

    shared_changes& shared_;
    limits const& bounds_;
    std::function<void()> ready_;
    authority const* who_may_;
    client_subscriptions subscriptions_;
    token_term term_;
    moment now_{};  // of the message that is followed
    fifo<std::string> replies_;
    push push_;
};

}  // namespace pgtally::server
