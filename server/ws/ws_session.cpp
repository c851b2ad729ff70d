#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/ws/tcp_progress.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>
#include <pgtally/server/ws/ws_session.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::server {

namespace websocket = beast::websocket;

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view subprotocol = "pgtally.v1";

bool offers_subprotocol(upgrade_request const& upgrade)
{
    auto const offered = upgrade[beast::http::field::sec_websocket_protocol];
    return beast::http::token_list{offered}.exists(beast::string_view{subprotocol.data(), subprotocol.size()});
}

// Why the definitions cannot be read, if waiting does not cure it.
std::string failure_of(replica_set const& replicas)
{
    return replicas.trouble_is_permanent() ? replicas.trouble() : std::string{};
}

// One WebSocket: a coroutine that reads, and one that writes. Only the second one writes anything, pings and the close
// included, so there is never more than one message on its way.
class ws_session final : public client {
public:
    ws_session(tcp_stream stream, context& with);
    ws_session(ws_session const&) = delete;
    ws_session& operator=(ws_session const&) = delete;
    ~ws_session() = default;

    asio::awaitable<void> run(upgrade_request const& upgrade);

    protocol speaks() const noexcept override { return protocol::websocket; }
    void drain() override { close_with(websocket::close_code::going_away, "server is shutting down"); }
    void cut() noexcept override { beast::get_lowest_layer(socket_).close(); }
    void check_liveness(clock::time_point now) override;
    void on_replicas_changed() override;

private:
    asio::awaitable<bool> accept(upgrade_request const& upgrade);
    asio::awaitable<void> read();
    asio::awaitable<void> write();
    asio::awaitable<bool> send(outgoing const& message);
    void close_with(websocket::close_code code, std::string_view why);
    void wake();

    websocket::stream<tcp_stream, false> socket_;
    context& with_;
    ws_protocol talk_;
    beast::flat_buffer in_;
    db::detail::signal something_, room_, writer_ended_;
    std::optional<websocket::close_reason> close_;
    clock::time_point closing_since_ = clock::time_point::max();
    clock::time_point progress_at_ = clock::now();  // when the client last took a byte, or had none to take
    std::uint64_t taken_ = 0;
    bool awake_ = false, gone_ = false, writing_ = false, ping_due_ = false, pinged_ = false, writer_gone_ = false;
};

ws_session::ws_session(tcp_stream stream, context& with)
    : socket_{std::move(stream)}
    , with_{with}
    , talk_{ws_protocol::dependencies{.find = [&with](std::string_view name) { return with.replicas.find(name); },
                                      .knows_tallies = [&with] { return with.replicas.knows_tallies(); },
                                      .failure = [&with] { return failure_of(with.replicas); },
                                      .ready = [this] { wake(); },
                                      .shared = &with.shared,
                                      .bounds = &with.bounds}}
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
    closing_since_ = clock::now();
    wake();
}

asio::awaitable<void> ws_session::run(upgrade_request const& upgrade)
{
    bool const accepted = co_await accept(upgrade);
    if (!accepted) co_return;
    with_.connected.add(*this);
    auto const on_end = [this](std::exception_ptr) {
        // Whatever ended it: without a writer there is nothing to read for.
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
}

asio::awaitable<bool> ws_session::accept(upgrade_request const& upgrade)
{
    // Idle clients are looked after by `look`: Beast's own timer would also cut one that takes a large message slowly.
    beast::get_lowest_layer(socket_).expires_never();
    websocket::stream_base::timeout const times{with_.bounds.handshake_timeout, websocket::stream_base::none(), false};
    socket_.set_option(times);
    socket_.read_message_max(with_.bounds.max_message_bytes);
    socket_.auto_fragment(false);
    socket_.text(true);
    auto const offered = offers_subprotocol(upgrade);
    websocket::stream_base::decorator decorate{[offered](websocket::response_type& answer) {
        answer.set(beast::http::field::server, "pgtally");
        if (offered)
            answer.set(beast::http::field::sec_websocket_protocol,
                       beast::string_view{subprotocol.data(), subprotocol.size()});
    }};
    socket_.set_option(std::move(decorate));
    auto const [failure] = co_await socket_.async_accept(upgrade, as_values);
    co_return !failure;
}

asio::awaitable<void> ws_session::read()
{
    for (;;) {
        while (talk_.full() && !writer_gone_) co_await room_.wait();
        auto const [failure, size] = co_await socket_.async_read(in_, as_values);
        if (failure) break;
        if (!socket_.got_text()) {
            close_with(websocket::close_code::unknown_data, "messages are text");
            break;
        }
        auto const data = in_.cdata();
        talk_.receive({static_cast<char const*>(data.data()), data.size()});
        with_.connected.waits(*this, talk_.pending() > 0);
        in_.consume(in_.size());
        if (in_.capacity() > 65'536) in_.shrink_to_fit();
    }
}

asio::awaitable<void> ws_session::write()
{
    outgoing message;
    for (;;) {
        awake_ = false;
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
        talk_.time_is(now);
        bool const was_full = talk_.full();
        if (talk_.next(message, now)) {
            if (was_full && !talk_.full()) room_.notify();
            bool const sent = co_await send(message);
            if (!sent) break;
            continue;
        }
        message = {};
        auto const due = talk_.due();
        co_await something_.wait_until(due);
    }
}

asio::awaitable<bool> ws_session::send(outgoing const& message)
{
    std::array<asio::const_buffer, 2> const text{asio::buffer(message.head),
                                                 message.tail ? asio::buffer(*message.tail) : asio::const_buffer{}};
    writing_ = true;
    auto const [failure, size] = co_await socket_.async_write(text, as_values);
    writing_ = false;
    if (failure) co_return false;
    with_.measured.sent(message.size());
    with_.measured.pushed(message.changes);
    with_.measured.conflated(message.conflated);
    co_return true;
}

void ws_session::on_replicas_changed()
{
    talk_.on_replicas_changed();
    with_.connected.waits(*this, talk_.pending() > 0);
}

void ws_session::check_liveness(clock::time_point now)
{
    auto const& bounds = with_.bounds;
    if (now > closing_since_ && now - closing_since_ > bounds.close_timeout) return cut();
    auto const end = progress_of(beast::get_lowest_layer(socket_).socket().native_handle());
    if (!end) return;
    bool const taken = end->bytes_taken != std::exchange(taken_, end->bytes_taken);
    if (taken || !(writing_ || end->outstanding)) progress_at_ = now;
    if (now - progress_at_ > bounds.stall_timeout) {
        auto const seconds = bounds.stall_timeout.count();
        if (writing_) {
            log(log_level::info, "a client took no byte for {} s: cut", seconds);
            return cut();
        }
        // All of it is in the kernel's buffer, where there may be room for the reason too.
        if (!close_) log(log_level::info, "a client took no byte for {} s: closed", seconds);
        return close_with(websocket::close_code::try_again_later, "no byte was taken for too long");
    }
    if (writing_) return;
    if (end->silent < bounds.ping_after) {
        pinged_ = false;
    } else if (end->silent >= 2 * bounds.ping_after && pinged_) {
        log(log_level::info, "a client did not answer a ping: cut");
        cut();
    } else if (!std::exchange(pinged_, true)) {
        ping_due_ = true;
        wake();
    }
}

}  // namespace

asio::awaitable<void> serve_websocket(tcp_stream stream, upgrade_request upgrade, context& with)
{
    ws_session session{std::move(stream), with};
    co_await session.run(upgrade);
}

}  // namespace pgtally::server
