#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/liveness.hpp>
#include <pgtally/server/http/tcp_progress.hpp>
#include <pgtally/server/http/upgrade.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>
#include <pgtally/server/ws/ws_session.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::server {

namespace websocket = beast::websocket;

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view subprotocol = "pgtally.v1";

// RFC 6455, 7.4.2: codes from 4000 on are for applications.
constexpr auto token_ended = static_cast<websocket::close_code>(4401);

bool offers_subprotocol(upgrade const& of)
{
    auto const offered = of.request[beast::http::field::sec_websocket_protocol];
    return beast::http::token_list{offered}.exists(beast::string_view{subprotocol.data(), subprotocol.size()});
}

// Whether the last character of UTF-8 lacks bytes. Beast checks all of a message but that, if its last fragment is empty.
bool ends_inside_character(std::string_view text) noexcept
{
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
        auto const byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xc0) == 0x80) continue;
        auto const size = byte >= 0xf0 ? 4U : byte >= 0xe0 ? 3U : byte >= 0xc0 ? 2U : 1U;
        return size > back;
    }
    return false;
}

// One WebSocket: a coroutine reads, and another one writes. Only the second one writes, pings and the close included,
// so that two writes never overlap.
class ws_session final : public client {
public:
    ws_session(client_stream stream, audience who, ip_address from, permit by, ws_context const& with);
    ws_session(ws_session const&) = delete;
    ws_session& operator=(ws_session const&) = delete;
    ~ws_session() = default;

    // Does the handshake, and frees `accepted`. False if it fails.
    asio::awaitable<bool> accept(std::unique_ptr<upgrade> accepted);
    asio::awaitable<void> run();

    protocol speaks() const noexcept override { return protocol::websocket; }
    void drain() override { close_with(websocket::close_code::going_away, "server is shutting down"); }
    void cut() noexcept override { tcp().close(); }
    void check_liveness(clock::time_point now) override;
    void on_replicas_changed() override;

private:
    tcp_stream& tcp() noexcept { return tcp_of(socket_.next_layer()); }
    asio::awaitable<void> read();
    asio::awaitable<void> write();
    asio::awaitable<bool> send(ws_message const& message);
    void close_with(websocket::close_code code, std::string_view why);
    void wake();

    websocket::stream<client_stream, false> socket_;
    ip_address client_;
    ws_context const& with_;
    ws_protocol protocol_;
    liveness liveness_;
    beast::flat_buffer in_;
    db::detail::signal something_, room_, writer_ended_;
    std::optional<websocket::close_reason> close_;
    bool awake_ = false, gone_ = false, writing_ = false, ping_due_ = false, writer_gone_ = false;
};

// The admin address has no tokens.
authority const* judge_of(audience who, authority const& by) noexcept
{
    return who == audience::operators || !by.requires_tokens() ? nullptr : &by;
}

ws_session::ws_session(client_stream stream, audience who, ip_address from, permit by, ws_context const& with)
    : socket_{std::move(stream)}
    , client_{from}
    , with_{with}
    , protocol_{with.tallies,  with.shared,   with.bounds,       who, judge_of(who, with.who_may),
                std::move(by), moment::now(), [this] { wake(); }}
    , liveness_{with.bounds, clock::now()}
    , in_{with.bounds.max_message_bytes + 1}
    , something_{socket_.get_executor()}
    , room_{socket_.get_executor()}
    , writer_ended_{socket_.get_executor()}
{
}

void ws_session::wake()
{
    if (!std::exchange(awake_, true)) something_.notify();
}

void ws_session::close_with(websocket::close_code code, std::string_view why)
{
    if (close_) return;
    close_ = websocket::close_reason{code, beast::string_view{why.data(), why.size()}};
    liveness_.closing(clock::now());
    wake();
}

asio::awaitable<bool> ws_session::accept(std::unique_ptr<upgrade> accepted)
{
    // `liveness` bounds an idle client. Beast's own timer would also cut one that takes a large message slowly.
    tcp().expires_never();
    websocket::stream_base::timeout const times{with_.bounds.handshake_timeout, websocket::stream_base::none(), false};
    socket_.set_option(times);
    socket_.read_message_max(with_.bounds.max_message_bytes);
    socket_.auto_fragment(false);
    socket_.text(true);
    auto const offered = offers_subprotocol(*accepted);
    websocket::stream_base::decorator decorate{[offered](websocket::response_type& answer) {
        answer.set(beast::http::field::server, "pgtally");
        auto const date = date_now();
        answer.set(beast::http::field::date, beast::string_view{date.data(), date.size()});
        if (offered)
            answer.set(beast::http::field::sec_websocket_protocol,
                       beast::string_view{subprotocol.data(), subprotocol.size()});
    }};
    socket_.set_option(std::move(decorate));
    auto const [failure] = co_await socket_.async_accept(accepted->request, as_values);
    co_return !failure;
}

asio::awaitable<void> ws_session::run()
{
    with_.connected.add(*this);
    std::exception_ptr write_failure;
    auto const on_end = [this, &write_failure](std::exception_ptr thrown) {
        write_failure = thrown;
        // Without a writer no message can be answered, so the connection ends.
        writer_gone_ = true;
        cut();
        room_.notify();
        writer_ended_.notify();
    };
    asio::co_spawn(socket_.get_executor(), write(), on_end);
    if (with_.closing) drain();
    std::exception_ptr failure;
    try {
        co_await read();
    } catch (...) {
        failure = std::current_exception();
    }
    gone_ = true;
    wake();
    while (!writer_gone_) co_await writer_ended_.wait();
    with_.connected.remove(*this);
    if (failure) std::rethrow_exception(failure);
    if (write_failure) std::rethrow_exception(write_failure);
}

asio::awaitable<void> ws_session::read()
{
    for (;;) {
        while (protocol_.full() && !writer_gone_) co_await room_.wait();
        auto const [failure, size] = co_await socket_.async_read(in_, as_values);
        if (failure) break;
        if (!socket_.got_text()) {
            close_with(websocket::close_code::unknown_data, "messages are text");
            break;
        }
        auto const data = in_.cdata();
        std::string_view const text{static_cast<char const*>(data.data()), data.size()};
        if (ends_inside_character(text)) {
            close_with(websocket::close_code::bad_payload, "a message is UTF-8");
            break;
        }
        protocol_.receive(text, moment::now());
        with_.connected.waits(*this, protocol_.pending() > 0);
        in_.consume(in_.size());
        if (in_.capacity() > 65'536) in_.shrink_to_fit();
    }
}

asio::awaitable<void> ws_session::write()
{
    ws_message message;
    for (;;) {
        awake_ = false;
        if (protocol_.overdue(clock::now())) close_with(token_ended, "the token ended");
        if (close_) {
            auto const reason = *close_;
            co_await socket_.async_close(reason, as_values);
            break;
        }
        if (gone_) break;
        if (std::exchange(ping_due_, false)) {
            websocket::ping_data const nothing;
            auto const [failure] = co_await socket_.async_ping(nothing, as_values);
            if (failure) break;
        }
        auto const now = clock::now();
        protocol_.time_is(now);
        bool const was_full = protocol_.full();
        if (protocol_.next(message, now)) {
            if (was_full && !protocol_.full()) room_.notify();
            bool const sent = co_await send(message);
            if (!sent) break;
            continue;
        }
        message = {};
        auto const due = protocol_.due();
        co_await something_.wait_until(due);
    }
}

asio::awaitable<bool> ws_session::send(ws_message const& message)
{
    std::array<asio::const_buffer, 2> const text{asio::buffer(message.head),
                                                 message.tail ? asio::buffer(*message.tail) : asio::const_buffer{}};
    writing_ = true;
    auto const [failure, size] = co_await socket_.async_write(text, as_values);
    writing_ = false;
    if (failure) co_return false;
    with_.counted.bytes_sent += message.size();
    with_.counted.changes_pushed += message.changes;
    with_.counted.changes_conflated += message.conflated;
    co_return true;
}

void ws_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    with_.connected.waits(*this, protocol_.pending() > 0);
}

void ws_session::check_liveness(clock::time_point now)
{
    using action = liveness::action;
    auto const stalled_s = with_.bounds.stall_timeout.count();
    switch (liveness_.check(now, progress_of(tcp().socket().native_handle()), writing_)) {
        case action::none: break;
        case action::ping:
            ping_due_ = true;
            wake();
            break;
        case action::close:
            if (!close_) {
                log(log_level::info, "client {} took no byte for {} s: closed", to_string(client_), stalled_s);
                ++with_.counted.cut_stalled;
            }
            close_with(websocket::close_code::try_again_later, "no byte was taken for too long");
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
    ws_session session{std::move(accepted->stream), accepted->who, accepted->client, std::move(accepted->by), with_};
    bool const open = co_await session.accept(std::move(accepted));
    if (open) co_await session.run();
}

}  // namespace pgtally::server
