#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/push_session.hpp>
#include <pgtally/server/ws/frame_reader.hpp>
#include <pgtally/server/ws/frame_writer.hpp>
#include <pgtally/server/ws/ws_handshake.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>
#include <pgtally/server/ws/ws_session.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

// RFC 6455, 7.4.1; codes from 4000 on are for applications.
constexpr std::uint16_t going_away = 1001, try_again_later = 1013, token_ended = 4401;

// One WebSocket: its frames and its subprotocol. How it is read and written is `push_session`'s.
class ws_session final : public push_session {
public:
    ws_session(upgrade const& accepted, ws_context const& with, ws_message& scratch);

    protocol speaks() const noexcept override { return protocol::websocket; }
    void drain() override
    {
        if (closed()) cut();
        else close_with(going_away, "server is shutting down");
    }
    void on_replicas_changed() override;

private:
    struct closing_with {
        std::uint16_t code;
        std::string why;
    };

    bool compose(clock::time_point now) override;
    clock::time_point due() const override { return protocol_.due(); }
    void on_sent() override
    {
        if (closed()) shut_down();
    }
    bool takes_more() const override { return !protocol_.full() || sent_close_; }
    void take(std::span<char> bytes) override;
    bool answers_pings() const override { return true; }
    void ping() override;
    bool close_stalled() override;
    void on_end() override;

    void take_frames(std::span<char> bytes);
    void take(frame_reader::item const& what);
    void append_message();
    void resume();
    void close_with(std::uint16_t code, std::string_view why);
    bool closed() const noexcept { return sent_close_ && got_close_ && is_sent(); }

    ws_message& message_;
    ws_protocol protocol_;
    frame_reader frames_;
    std::string handshake_;              // its answer, until it is sent
    std::string unread_{};               // what came while the client has too many answers to take
    std::optional<std::string> pong_{};  // the payload of the newest ping: RFC 6455, 5.5.3
    std::optional<closing_with> close_{};
    bool ping_due_ = false, sent_close_ = false, got_close_ = false;
};

// The admin address has no tokens.
authority const* judge_of(audience who, authority const& by) noexcept
{
    return who == audience::operators || !by.requires_tokens() ? nullptr : &by;
}

ws_session::ws_session(upgrade const& accepted, ws_context const& with, ws_message& scratch)
    : push_session{with.push}
    , message_{scratch}
    , protocol_{with.tallies, with.shared,   with.push.bounds,   accepted.who, judge_of(accepted.who, with.who_may),
                accepted.by,  moment::now(), [this] { ready(); }}
    , frames_{with.push.bounds.max_message_bytes}
    , handshake_{accept_websocket(accepted.key, accepted.protocols, date_now())}
{
}

// What comes after a close is read and counts for nothing: a socket that is closed with unread bytes resets the connection, and
// the client loses the close.
void ws_session::take(std::span<char> bytes)
{
    take_frames(bytes);
    context().connected.waits(*this, protocol_.pending() > 0);
}

void ws_session::take_frames(std::span<char> bytes)
{
    while (!bytes.empty() && !got_close_) {
        if (!takes_more()) {
            unread_.assign(bytes.data(), bytes.size());
            break;
        }
        auto const found = frames_.next(bytes);
        if (found.what != frame_reader::item::kind::none) take(found);
    }
}

void ws_session::take(frame_reader::item const& what)
{
    using kind = frame_reader::item::kind;
    switch (what.what) {
        case kind::none: break;
        case kind::text:
            if (!close_) protocol_.receive(what.payload, moment::now());
            break;
        case kind::ping:
            pong_.emplace(what.payload);
            ready();
            break;
        case kind::close:
        case kind::broken:
            got_close_ = true;
            close_with(what.code, what.what == kind::broken ? what.payload : std::string_view{});
            if (closed()) shut_down();
            break;
    }
}

void ws_session::close_with(std::uint16_t code, std::string_view why)
{
    if (close_) return;
    close_.emplace(closing_with{code, std::string{why}});
    closing();
    ready();
}

// Encodes the next frame. Returns false if there is none.
bool ws_session::compose(clock::time_point now)
{
    auto& frame = context().scratch.head;
    if (!handshake_.empty()) {
        frame = std::exchange(handshake_, {});
        return true;
    }
    if (sent_close_) return false;
    if (protocol_.overdue(now)) close_with(token_ended, "the token ended");
    protocol_.time_is(now);
    if (close_) {
        append_close(frame, close_->code, close_->why);
        sent_close_ = true;
        resume();
    } else if (pong_) {
        append_pong(frame, *pong_);
        pong_.reset();
    } else if (std::exchange(ping_due_, false)) {
        append_ping(frame);
    } else {
        bool const was_full = protocol_.full();
        if (!protocol_.next(message_, now)) return false;
        append_message();
        if (was_full) resume();
    }
    return true;
}

void ws_session::append_message()
{
    // A text that is shared is copied if that costs less than another piece for the system call.
    constexpr std::size_t short_text = 2'048;
    auto& out = context().scratch;
    append_text_head(out.head, message_.size());
    out.head += message_.head;
    count(message_.changes, message_.conflated);
    if (!message_.tail) return;
    if (message_.tail->size() > short_text) out.tail = message_.tail;
    else out.head += *message_.tail;
    message_.tail.reset();
}

// The client may send again.
void ws_session::resume()
{
    if (!takes_more()) return;
    if (auto rest = std::exchange(unread_, {}); !rest.empty()) take(rest);
    if (takes_more()) read_on();
}

void ws_session::ping()
{
    ping_due_ = true;
    ready();
}

bool ws_session::close_stalled()
{
    if (!close_) {
        auto const stalled_s = context().bounds.stall_timeout.count();
        log(log_level::info, "client {} took no byte for {} s: closed", to_string(who()), stalled_s);
        ++context().counted.cut_stalled;
    }
    close_with(try_again_later, "no byte was taken for too long");
    return true;
}

void ws_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    context().connected.waits(*this, protocol_.pending() > 0);
}

void ws_session::on_end()
{
    note_access({.route = "/v1/ws", .status = 101});
    auto const address = to_string(who());
    auto const code = close_ ? close_->code : 0U;
    log_event(log_level::debug, "a client left",
              {{"client", address},
               {"protocol", "ws"},
               {"seconds", seconds()},
               {"values", values()},
               {"bytes", bytes()},
               {"code", std::uint64_t{code}}});
}

}  // namespace

void ws_server::serve(upgrade accepted)
{
    auto const session = std::make_shared<ws_session>(accepted, with_, message_);
    session->start(std::move(accepted.stream), accepted.client, std::move(accepted.place),
                   std::move(accepted.received));
}

}  // namespace pgtally::server
