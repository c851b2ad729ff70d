#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/liveness.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/http/tcp_progress.hpp>
#include <pgtally/server/sse/sse_protocol.hpp>
#include <pgtally/server/sse/sse_query.hpp>
#include <pgtally/server/sse/sse_server.hpp>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;

// One stream of events: a coroutine writes, and another one reads, which only notices that the client closes its side.
class sse_session final : public lasting_answer, public client {
public:
    sse_session(audience who, permit const& by, sse_context const& with);
    sse_session(sse_session const&) = delete;
    sse_session& operator=(sse_session const&) = delete;

    std::optional<refusal> begin(subscribe_request what, std::chrono::milliseconds retry)
    {
        return protocol_.begin(std::move(what), retry, clock::now());
    }

    asio::awaitable<void> serve(taken_connection& on) override;

    protocol speaks() const noexcept override { return protocol::sse; }
    void drain() override { end(); }
    void cut() noexcept override { tcp_of(on_->stream).close(); }
    void check_liveness(clock::time_point now) override;
    void on_replicas_changed() override;

private:
    asio::awaitable<void> read();
    asio::awaitable<void> write();
    asio::awaitable<bool> write_head();
    asio::awaitable<void> write_end();
    asio::awaitable<bool> write_message(sse_message const& message);
    bool chunked() const noexcept { return framing_of(on_->answer, on_->version) == framing::chunked; }
    void end();
    void wake();

    sse_context const& with_;
    sse_protocol protocol_;
    liveness liveness_;
    db::detail::signal something_, writer_ended_;
    taken_connection* on_ = nullptr;
    bool awake_ = false, ending_ = false, writing_ = false, writer_gone_ = false;
};

sse_session::sse_session(audience who, permit const& by, sse_context const& with)
    : with_{with}
    , protocol_{with.tallies, with.shared, with.bounds, who, by.may, [this] { wake(); }}
    , liveness_{with.bounds, clock::now()}
    , something_{with.io.get_executor()}
    , writer_ended_{with.io.get_executor()}
{
    if (!by.by_token()) return;
    protocol_.ends_with_token(with.who_may.end_of(by), with.who_may.anybody().may, moment::now());
}

void sse_session::wake()
{
    if (!std::exchange(awake_, true)) something_.notify();
}

// Ends the stream after the event that is being written.
void sse_session::end()
{
    ending_ = true;
    liveness_.closing(clock::now());
    wake();
}

asio::awaitable<void> sse_session::serve(taken_connection& on)
{
    on_ = &on;
    // `liveness` bounds a client that takes nothing. The stream's timer would also cut one that is only silent.
    tcp_of(on.stream).expires_never();
    with_.connected.add(*this);
    with_.connected.waits(*this, protocol_.pending() > 0);
    std::exception_ptr write_failure, failure;
    auto const on_end = [this, &write_failure](std::exception_ptr thrown) {
        write_failure = thrown;
        writer_gone_ = true;
        cut();
        writer_ended_.notify();
    };
    asio::co_spawn(with_.io, write(), on_end);
    if (with_.closing) drain();
    try {
        co_await read();
    } catch (...) {
        failure = std::current_exception();
    }
    end();
    while (!writer_gone_) co_await writer_ended_.wait();
    with_.connected.remove(*this);
    if (failure) std::rethrow_exception(failure);
    if (write_failure) std::rethrow_exception(write_failure);
}

// Returns when the client closes its side. The answer is the connection's last, so what else the client sends, such as
// a further request, counts for nothing.
asio::awaitable<void> sse_session::read()
{
    std::array<char, 256> bin;
    for (auto left = with_.bounds.max_ignored_bytes;;) {
        auto const [failure, size] = co_await on_->stream.async_read_some(asio::buffer(bin), as_values);
        if (failure || size > left) break;
        left -= size;
    }
}

asio::awaitable<void> sse_session::write()
{
    sse_message message;
    bool open = co_await write_head();
    while (open) {
        awake_ = false;
        if (ending_ || protocol_.ended()) {
            co_await write_end();
            break;
        }
        if (protocol_.next(message, clock::now())) {
            open = co_await write_message(message);
            continue;
        }
        message = {};
        auto const due = protocol_.due();
        co_await something_.wait_until(due);
    }
}

asio::awaitable<bool> sse_session::write_head()
{
    head_options const last{.version = on_->version, .keep_alive = false, .date = date_now()};
    auto const head = encode_head(on_->answer, last);
    writing_ = true;
    auto const [failure, size] = co_await asio::async_write(on_->stream, asio::buffer(head), as_values);
    writing_ = false;
    with_.counted.bytes_sent += size;
    co_return !failure;
}

asio::awaitable<void> sse_session::write_end()
{
    std::string_view const last = chunked() ? "0\r\n\r\n" : "";
    co_await asio::async_write(on_->stream, asio::buffer(last.data(), last.size()), as_values);
    beast::error_code ignored;
    tcp_of(on_->stream).socket().shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<bool> sse_session::write_message(sse_message const& message)
{
    auto const opening = chunked() ? fmt::format("{:x}\r\n", message.size()) : std::string{};
    std::string_view const closing = chunked() ? "\r\n" : "";
    std::array<asio::const_buffer, 5> const text{asio::buffer(opening), asio::buffer(message.head),
                                                 message.tail ? asio::buffer(*message.tail) : asio::const_buffer{},
                                                 asio::buffer(message.end.data(), message.end.size()),
                                                 asio::buffer(closing.data(), closing.size())};
    writing_ = true;
    auto const [failure, size] = co_await asio::async_write(on_->stream, text, as_values);
    writing_ = false;
    if (failure) co_return false;
    with_.counted.bytes_sent += size;
    with_.counted.changes_pushed += message.changes;
    with_.counted.changes_conflated += message.conflated;
    co_return true;
}

void sse_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    with_.connected.waits(*this, protocol_.pending() > 0);
}

void sse_session::check_liveness(clock::time_point now)
{
    auto progress = progress_of(tcp_of(on_->stream).socket().native_handle());
    // A client of a stream sends nothing. That it is there, it shows by taking the comments.
    if (progress) progress->silent = {};
    switch (liveness_.check(now, progress, writing_)) {
        case liveness::action::close:
        case liveness::action::cut_stalled:
            log(log_level::info, "client {} took no byte for {} s: cut", to_string(on_->client),
                with_.bounds.stall_timeout.count());
            ++with_.counted.cut_stalled;
            cut();
            break;
        case liveness::action::cut_unclosed:
            ++with_.counted.cut_unclosed;
            cut();
            break;
        case liveness::action::none:
        case liveness::action::ping:
        case liveness::action::cut_silent: break;
    }
}

}  // namespace

std::chrono::milliseconds sse_server::retry()
{
    auto const least = with_.bounds.least_event_retry.count(), most = with_.bounds.most_event_retry.count();
    return std::chrono::milliseconds{std::uniform_int_distribution{least, most}(random_)};
}

response sse_server::open(request const& asked, std::string tally, target const& split)
{
    if (with_.closing) return problem(503, "draining", "the server is shutting down");
    auto wanted = wanted_events(std::move(tally), split, asked.last_event_id, with_.bounds);
    if (wanted.refused.status != 200) return std::move(wanted.refused);
    auto session = std::make_unique<sse_session>(asked.who(), asked.by, with_);
    if (auto const refused = session->begin(std::move(wanted.what), retry())) return refused_events(*refused, asked.by);
    response out{.content_type = "text/event-stream", .lasts = std::move(session)};
    out.fields.emplace_back("Cache-Control", "no-store");
    out.fields.emplace_back("X-Accel-Buffering", "no");
    return out;
}

}  // namespace pgtally::server
