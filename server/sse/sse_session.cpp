#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/liveness.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/http/unsent.hpp>
#include <pgtally/server/sse/sse_protocol.hpp>
#include <pgtally/server/sse/sse_query.hpp>
#include <pgtally/server/sse/sse_server.hpp>

#include <fmt/core.h>
#include <boost/asio/co_spawn.hpp>

#include <array>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;

// One stream of events. As in a WebSocket, `advance` writes what there is when the session is ready, and two coroutines do what
// waits: one waits for the socket to take more and for what is due, and one only notices that the client closes its side.
class sse_session final : public lasting_answer, public client, public ready_session {
public:
    sse_session(audience who, permit const& by, sse_context const& with, std::string& piece);
    sse_session(sse_session const&) = delete;
    sse_session& operator=(sse_session const&) = delete;
    ~sse_session() override { with_.ready.remove(*this); }

    std::optional<refusal> begin(subscribe_request what, std::chrono::milliseconds retry)
    {
        return protocol_.begin(std::move(what), retry, clock::now());
    }

    asio::awaitable<void> serve(taken_connection& on) override;

    protocol speaks() const noexcept override { return protocol::sse; }
    void drain() override { end(); }
    void cut() noexcept override { on_->stream.close(); }
    void check_liveness(clock::time_point now) override;
    void on_replicas_changed() override;
    void on_ready() override;

private:
    asio::awaitable<void> read();
    asio::awaitable<void> write();
    bool advance();
    bool compose(clock::time_point now);
    void append_message(sse_message const& message);
    bool chunked() const noexcept { return framing_of(on_->answer, on_->version) == framing::chunked; }
    void end();
    void note_end() const;
    bool over() const noexcept { return (ended_ && unsent_.empty()) || !on_->stream.is_open(); }

    sse_context const& with_;
    std::string& piece_;  // what `compose` encodes; all sessions use it
    sse_protocol protocol_;
    liveness liveness_;
    db::detail::signal changed_, writer_ended_;
    taken_connection* on_ = nullptr;  // null: it does not serve yet
    unsent unsent_;
    clock::time_point due_ = clock::time_point::max();  // that `write` waits for
    clock::time_point const connected_at_ = clock::now();
    std::uint64_t bytes_ = 0, values_ = 0;
    bool has_head_ = false, ending_ = false, ended_ = false, blocked_ = false, writer_gone_ = false;
};

sse_session::sse_session(audience who, permit const& by, sse_context const& with, std::string& piece)
    : with_{with}
    , piece_{piece}
    , protocol_{with.tallies, with.shared, with.bounds, who, by.may, [this] { with_.ready.add(*this); }}
    , liveness_{with.bounds, clock::now()}
    , changed_{with.io.get_executor()}
    , writer_ended_{with.io.get_executor()}
{
    if (!by.by_token()) return;
    protocol_.ends_with_token(with.who_may.end_of(by), with.who_may.anybody().may, moment::now());
}

// Ends the stream after the event that is being written.
void sse_session::end()
{
    ending_ = true;
    liveness_.closing(clock::now());
    with_.ready.add(*this);
}

asio::awaitable<void> sse_session::serve(taken_connection& on)
{
    on_ = &on;
    // `liveness` bounds a client that takes nothing. The stream's timer would also cut one that is only silent.
    on.stream.expires_never();
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
    // A client that closes only its side gets the end of the stream.
    end();
    while (!writer_gone_) co_await writer_ended_.wait();
    with_.connected.remove(*this);
    note_end();
    if (failure) std::rethrow_exception(failure);
    if (write_failure) std::rethrow_exception(write_failure);
}

// Returns when the client closes its side. The answer is the connection's last, so what else the client sends, such as
// a further request, counts for nothing.
asio::awaitable<void> sse_session::read()
{
    std::array<char, 256> bin;
    for (auto left = with_.bounds.max_ignored_bytes;;) {
        auto const size = co_await on_->stream.read_some(bin);
        if (size == 0 || size > left) break;
        left -= size;
    }
}

void sse_session::on_ready()
{
    if (on_ == nullptr || blocked_) return;
    bool const all = advance();
    if (!all || over() || protocol_.due() < due_) changed_.notify();
}

// Waits for what is not announced: that the socket takes more, and that something is due.
asio::awaitable<void> sse_session::write()
{
    for (;;) {
        bool const all = advance();
        if (over()) break;
        if (all) {
            due_ = protocol_.due();
            co_await changed_.wait_until(due_);
            continue;
        }
        blocked_ = true;
        bool const ready = co_await on_->stream.wait(io_need::writable);
        blocked_ = false;
        if (!ready) break;
    }
}

// Writes what there is. Returns false if the socket takes no more for now.
bool sse_session::advance()
{
    auto const now = clock::now();
    auto put = unsent_.go_on(on_->stream);
    for (;;) {
        with_.counted.bytes_sent += put.size;
        bytes_ += put.size;
        if (put.need == io_need::never) cut();
        if (put.need != io_need::nothing) return put.need == io_need::never;
        if (ended_) on_->stream.shut_down();
        piece_.clear();
        if (!compose(now)) return true;
        put = unsent_.write(on_->stream, piece_, nullptr);
    }
}

// Encodes the next piece of the answer into `piece_`. Returns false if there is none.
bool sse_session::compose(clock::time_point now)
{
    if (ended_) return false;
    if (!std::exchange(has_head_, true)) {
        head_options const last{.version = on_->version, .keep_alive = false, .date = date_now()};
        piece_ = encode_head(on_->answer, last);
        return true;
    }
    if (ending_ || protocol_.ended()) {
        ended_ = true;
        liveness_.closing(now);
        if (chunked()) piece_ = "0\r\n\r\n";
        return true;
    }
    sse_message message;
    if (!protocol_.next(message, now)) return false;
    append_message(message);
    return true;
}

// A chunk (RFC 9112, 7.1), or the text alone.
void sse_session::append_message(sse_message const& message)
{
    if (chunked()) fmt::format_to(std::back_inserter(piece_), "{:x}\r\n", message.size());
    piece_ += message.head;
    if (message.tail) piece_ += *message.tail;
    piece_ += message.end;
    if (chunked()) piece_ += "\r\n";
    with_.counted.changes_pushed += message.changes;
    values_ += message.changes;
    with_.counted.changes_conflated += message.conflated;
}

void sse_session::note_end() const
{
    std::chrono::duration<double> const life{clock::now() - connected_at_};
    with_.accesses.add({.client = on_->client,
                        .method = "GET",
                        .route = on_->answer.route,
                        .version = on_->version,
                        .status = on_->answer.status,
                        .bytes = bytes_,
                        .seconds = life.count()},
                       std::chrono::system_clock::now());
    auto const address = to_string(on_->client);
    log_event(log_level::debug, "a client left",
              {{"client", address}, {"protocol", "sse"}, {"seconds", life.count()}, {"values", values_}, {"bytes", bytes_}});
}

void sse_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    with_.connected.waits(*this, protocol_.pending() > 0);
}

void sse_session::check_liveness(clock::time_point now)
{
    if (!on_->stream.is_open()) return;
    auto progress = on_->stream.progress(now);
    // A client of a stream sends nothing. That it is there, it shows by taking the comments.
    progress.silent = {};
    switch (liveness_.check(now, progress, !unsent_.empty())) {
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
    auto session = std::make_unique<sse_session>(asked.who(), asked.by, with_, piece_);
    if (auto const refused = session->begin(std::move(wanted.what), retry())) return refused_events(*refused, asked.by);
    response out{.content_type = "text/event-stream", .lasts = std::move(session)};
    out.fields.emplace_back("Cache-Control", "no-store");
    out.fields.emplace_back("X-Accel-Buffering", "no");
    return out;
}

}  // namespace pgtally::server
