#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/liveness.hpp>
#include <pgtally/server/http/unsent.hpp>
#include <pgtally/server/ws/frame_reader.hpp>
#include <pgtally/server/ws/frame_writer.hpp>
#include <pgtally/server/ws/ws_handshake.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>
#include <pgtally/server/ws/ws_session.hpp>

#include <boost/asio/co_spawn.hpp>

#include <array>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;

// RFC 6455, 7.4.1; codes from 4000 on are for applications.
constexpr std::uint16_t going_away = 1001, try_again_later = 1013, token_ended = 4401;

// One WebSocket.
//
// What the server pushes is written by `advance`, a plain function, as soon as the session is ready: as a rule the socket takes
// it at once, and no coroutine is involved. Two coroutines do what waits: one reads, and one waits for the socket to take
// more, and for the time at which something is due. Only `advance` writes, pings and the close included, so that two writes
// never mix.
class ws_session final : public client, public ready_session {
public:
    ws_session(upgrade accepted, ws_context const& with, ws_scratch& scratch);
    ws_session(ws_session const&) = delete;
    ws_session& operator=(ws_session const&) = delete;
    ~ws_session() { with_.ready.remove(*this); }

    // Answers the handshake. False if the connection ends.
    asio::awaitable<bool> accept(std::string answer);
    asio::awaitable<void> run(std::string received);

    protocol speaks() const noexcept override { return protocol::websocket; }
    void drain() override
    {
        if (closed()) cut();
        else close_with(going_away, "server is shutting down");
    }
    void cut() noexcept override { stream_.close(); }
    void check_liveness(clock::time_point now) override;
    void on_replicas_changed() override;
    void on_ready() override;

private:
    struct closing {
        std::uint16_t code;
        std::string why;
    };

    asio::awaitable<void> read(std::string received);
    asio::awaitable<void> write();
    void take(std::span<char> bytes);
    void take(frame_reader::item const& what);
    bool advance();
    bool compose(clock::time_point now);
    void append_message();
    void note_end() const;
    void close_with(std::uint16_t code, std::string_view why);
    bool over() const noexcept { return gone_ || sent_close_; }
    bool closed() const noexcept { return sent_close_ && got_close_ && unsent_.empty(); }

    client_stream stream_;
    ip_address client_;
    ws_context const& with_;
    ws_scratch& scratch_;
    ws_protocol protocol_;
    liveness liveness_;
    frame_reader frames_;
    unsent unsent_;
    std::string unread_{};               // what came while the client has too many answers to take
    std::optional<std::string> pong_{};  // the payload of the newest ping: RFC 6455, 5.5.3
    std::optional<closing> close_{};
    clock::time_point due_ = clock::time_point::max();  // that `write` waits for
    db::detail::signal changed_, room_, writer_ended_;
    clock::time_point const connected_at_ = clock::now();
    std::uint64_t bytes_ = 0, values_ = 0;
    bool ping_due_ = false, blocked_ = false, gone_ = false, writer_gone_ = false;
    bool sent_close_ = false, got_close_ = false;
};

// The admin address has no tokens.
authority const* judge_of(audience who, authority const& by) noexcept
{
    return who == audience::operators || !by.requires_tokens() ? nullptr : &by;
}

ws_session::ws_session(upgrade accepted, ws_context const& with, ws_scratch& scratch)
    : stream_{std::move(accepted.stream)}
    , client_{accepted.client}
    , with_{with}
    , scratch_{scratch}
    , protocol_{with.tallies,
                with.shared,
                with.bounds,
                accepted.who,
                judge_of(accepted.who, with.who_may),
                std::move(accepted.by),
                moment::now(),
                [this] { with_.ready.add(*this); }}
    , liveness_{with.bounds, clock::now()}
    , frames_{with.bounds.max_message_bytes}
    , changed_{stream_.get_executor()}
    , room_{stream_.get_executor()}
    , writer_ended_{stream_.get_executor()}
{
}

asio::awaitable<bool> ws_session::accept(std::string answer)
{
    stream_.expires_after(with_.bounds.handshake_timeout);
    std::array<asio::const_buffer, 1> rest{asio::buffer(answer)};
    bool const written = co_await stream_.write_all(rest);
    // From now on `liveness` bounds an idle client, and one that takes nothing.
    stream_.expires_never();
    co_return written;
}

asio::awaitable<void> ws_session::run(std::string received)
{
    with_.connected.add(*this);
    std::exception_ptr write_failure;
    auto const on_end = [this, &write_failure](std::exception_ptr thrown) {
        write_failure = thrown;
        writer_gone_ = true;
        // Without a writer no message can be answered, so the connection ends.
        if (thrown) cut();
        room_.notify();
        writer_ended_.notify();
    };
    asio::co_spawn(stream_.get_executor(), write(), on_end);
    if (with_.closing) drain();
    std::exception_ptr failure;
    try {
        co_await read(std::move(received));
    } catch (...) {
        failure = std::current_exception();
    }
    gone_ = true;
    cut();
    changed_.notify();
    while (!writer_gone_) co_await writer_ended_.wait();
    with_.connected.remove(*this);
    note_end();
    if (failure) std::rethrow_exception(failure);
    if (write_failure) std::rethrow_exception(write_failure);
}

// Reads until the client closes its side, after a close too: a socket that is closed with unread bytes resets the connection,
// and the client loses the close.
asio::awaitable<void> ws_session::read(std::string received)
{
    take(received);
    for (;;) {
        while (protocol_.full() && !over()) co_await room_.wait();
        if (auto rest = std::exchange(unread_, {}); !rest.empty()) {
            take(rest);
            continue;
        }
        bool const ready = co_await stream_.before_read();
        if (!ready) break;
        auto const got = stream_.read(scratch_.received);
        if (got.need == io_need::never) break;
        take(std::span{scratch_.received}.first(got.size));
    }
}

void ws_session::take(std::span<char> bytes)
{
    while (!bytes.empty() && !got_close_) {
        if (protocol_.full() && !over()) {
            unread_.assign(bytes.data(), bytes.size());
            break;
        }
        auto const found = frames_.next(bytes);
        if (found.what != frame_reader::item::kind::none) take(found);
    }
    with_.connected.waits(*this, protocol_.pending() > 0);
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
            with_.ready.add(*this);
            break;
        case kind::close:
        case kind::broken:
            got_close_ = true;
            close_with(what.code, what.what == kind::broken ? what.payload : std::string_view{});
            if (closed()) stream_.shut_down();
            break;
    }
}

void ws_session::close_with(std::uint16_t code, std::string_view why)
{
    if (close_) return;
    close_.emplace(closing{code, std::string{why}});
    liveness_.closing(clock::now());
    with_.ready.add(*this);
}

void ws_session::on_ready()
{
    if (gone_ || blocked_) return;
    bool const all = advance();
    if (!all || protocol_.due() < due_) changed_.notify();
}

// Waits for what is not announced: that the socket takes more, and that something is due.
asio::awaitable<void> ws_session::write()
{
    while (!gone_) {
        bool const all = advance();
        if (all) {
            due_ = protocol_.due();
            co_await changed_.wait_until(due_);
            continue;
        }
        blocked_ = true;
        bool const ready = co_await stream_.wait(io_need::writable);
        blocked_ = false;
        if (!ready) break;
    }
}

// Writes what there is. Returns false if the socket takes no more for now.
bool ws_session::advance()
{
    auto const now = clock::now();
    if (protocol_.overdue(now)) close_with(token_ended, "the token ended");
    protocol_.time_is(now);
    auto put = unsent_.go_on(stream_);
    for (;;) {
        with_.counted.bytes_sent += put.size;
        bytes_ += put.size;
        if (put.need == io_need::never) cut();
        if (put.need != io_need::nothing) return put.need == io_need::never;
        if (closed()) stream_.shut_down();
        if (!compose(now)) return true;
        put = unsent_.write(stream_, scratch_.frame, scratch_.message.tail);
    }
}

// Encodes the next frame into `scratch_`. Returns false if there is none.
bool ws_session::compose(clock::time_point now)
{
    auto& frame = scratch_.frame;
    auto& message = scratch_.message;
    frame.clear();
    message.tail.reset();
    if (sent_close_) return false;
    if (close_) {
        append_close(frame, close_->code, close_->why);
        sent_close_ = true;
        room_.notify();
    } else if (pong_) {
        append_pong(frame, *pong_);
        pong_.reset();
    } else if (std::exchange(ping_due_, false)) {
        append_ping(frame);
    } else {
        bool const was_full = protocol_.full();
        if (!protocol_.next(message, now)) return false;
        if (was_full && !protocol_.full()) room_.notify();
        append_message();
    }
    return true;
}

void ws_session::append_message()
{
    // A text that is shared is copied if that costs less than another piece for the system call.
    constexpr std::size_t short_text = 2'048;
    auto& message = scratch_.message;
    append_text_head(scratch_.frame, message.size());
    scratch_.frame += message.head;
    with_.counted.changes_pushed += message.changes;
    values_ += message.changes;
    with_.counted.changes_conflated += message.conflated;
    if (!message.tail || message.tail->size() > short_text) return;
    scratch_.frame += *message.tail;
    message.tail.reset();
}

void ws_session::note_end() const
{
    std::chrono::duration<double> const life{clock::now() - connected_at_};
    with_.accesses.add({.client = client_, .method = "GET", .route = "/v1/ws", .status = 101, .bytes = bytes_, .seconds = life.count()},
                       std::chrono::system_clock::now());
    auto const address = to_string(client_);
    auto const code = close_ ? close_->code : 0U;
    log_event(log_level::debug, "a client left",
              {{"client", address},
               {"protocol", "ws"},
               {"seconds", life.count()},
               {"values", values_},
               {"bytes", bytes_},
               {"code", std::uint64_t{code}}});
}

void ws_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    with_.connected.waits(*this, protocol_.pending() > 0);
}

void ws_session::check_liveness(clock::time_point now)
{
    using action = liveness::action;
    stream_.check_deadline(now);
    if (!stream_.is_open()) return;
    auto const stalled_s = with_.bounds.stall_timeout.count();
    switch (liveness_.check(now, stream_.progress(now), !unsent_.empty())) {
        case action::none: break;
        case action::ping:
            ping_due_ = true;
            with_.ready.add(*this);
            break;
        case action::close:
            if (!close_) {
                log(log_level::info, "client {} took no byte for {} s: closed", to_string(client_), stalled_s);
                ++with_.counted.cut_stalled;
            }
            close_with(try_again_later, "no byte was taken for too long");
            break;
        case action::cut_stalled:
            log(log_level::info, "client {} took no byte for {} s: cut", to_string(client_), stalled_s);
            ++with_.counted.cut_stalled;
            cut();
            break;
        case action::cut_silent:
            log(log_level::info, "client {} did not answer a ping: cut", to_string(client_));
            ++with_.counted.cut_silent;
            cut();
            break;
        case action::cut_unclosed:
            ++with_.counted.cut_unclosed;
            cut();
            break;
    }
}

}  // namespace

asio::awaitable<void> ws_server::serve(std::unique_ptr<upgrade> accepted)
{
    auto answer = accept_websocket(accepted->key, accepted->protocols, date_now());
    auto received = std::move(accepted->received);
    ws_session session{std::move(*accepted), with_, scratch_};
    accepted.reset();
    bool const open = co_await session.accept(std::move(answer));
    if (open) co_await session.run(std::move(received));
}

}  // namespace pgtally::server
