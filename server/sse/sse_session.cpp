#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/date.hpp>
#include <pgtally/server/http/push_session.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/sse/sse_protocol.hpp>
#include <pgtally/server/sse/sse_query.hpp>
#include <pgtally/server/sse/sse_server.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

// One stream of events: the chunks of an answer without an end. How it is read and written is `push_session`'s.
class sse_session final : public push_session, public lasting_answer {
public:
    sse_session(audience who, permit const& by, sse_context const& with);

    std::optional<refusal> begin(subscribe_request what, std::chrono::milliseconds retry)
    {
        return protocol_.begin(std::move(what), retry, clock::now());
    }

    void serve(taken_connection on) override;

    protocol speaks() const noexcept override { return protocol::sse; }
    void drain() override { end_stream(); }
    void on_replicas_changed() override;

private:
    bool compose(clock::time_point now) override;
    clock::time_point due() const override { return protocol_.due(); }
    void on_sent() override
    {
        if (ended_) cut();
    }
    void take(std::span<char> bytes) override;
    bool goes_on_writing() override;
    // A client of a stream sends nothing. That it is there, it shows by taking the comments.
    bool answers_pings() const override { return false; }
    void on_end() override;

    void append_message(sse_message const& message);
    void end_stream();

    sse_protocol protocol_;
    std::string answer_head_{};  // until it is sent
    std::string_view route_{};
    unsigned version_ = 11;
    bool chunked_ = false;
    std::size_t ignored_ = 0;  // bytes that the client sent after its request
    bool ending_ = false, ended_ = false;
};

sse_session::sse_session(audience who, permit const& by, sse_context const& with)
    : push_session{with.push}, protocol_{with.tallies, with.shared, with.push.bounds, who, by.may, [this] { ready(); }}
{
    if (!by.by_token()) return;
    protocol_.ends_with_token(with.who_may.end_of(by), with.who_may.anybody().may, moment::now());
}

void sse_session::serve(taken_connection on)
{
    head_options const last{.version = on.version, .keep_alive = false, .date = date_now()};
    answer_head_ = encode_head(on.answer, last);
    chunked_ = framing_of(on.answer, on.version) == framing::chunked;
    route_ = on.answer.route;
    version_ = on.version;
    start(std::move(on.stream), on.client, std::move(on.place), {});
    context().connected.waits(*this, protocol_.pending() > 0);
}

// Ends the stream after the event that is being written.
void sse_session::end_stream()
{
    ending_ = true;
    closing();
    ready();
}

// The answer is the connection's last, so what else the client sends, such as a further request, counts for nothing.
void sse_session::take(std::span<char> bytes)
{
    ignored_ += bytes.size();
    if (ignored_ > context().bounds.max_ignored_bytes) cut();
}

// A client that closes only its side gets the end of the stream.
bool sse_session::goes_on_writing()
{
    end_stream();
    return true;
}

// Encodes the next piece of the answer. Returns false if there is none.
bool sse_session::compose(clock::time_point now)
{
    auto& piece = context().scratch.head;
    if (!answer_head_.empty()) {
        piece = std::exchange(answer_head_, {});
        return true;
    }
    if (ended_) return false;
    if (ending_ || protocol_.ended()) {
        ended_ = true;
        closing();
        if (chunked_) piece = "0\r\n\r\n";
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
    auto& piece = context().scratch.head;
    if (chunked_) fmt::format_to(std::back_inserter(piece), "{:x}\r\n", message.size());
    piece += message.head;
    if (message.tail) piece += *message.tail;
    piece += message.end;
    if (chunked_) piece += "\r\n";
    count(message.changes, message.conflated);
}

void sse_session::on_replicas_changed()
{
    protocol_.on_replicas_changed();
    context().connected.waits(*this, protocol_.pending() > 0);
}

void sse_session::on_end()
{
    note_access({.route = route_, .version = version_, .status = 200});
    auto const address = to_string(who());
    log_event(
        log_level::debug, "a client left",
        {{"client", address}, {"protocol", "sse"}, {"seconds", seconds()}, {"values", values()}, {"bytes", bytes()}});
}

}  // namespace

std::chrono::milliseconds sse_server::retry()
{
    auto const least = with_.push.bounds.least_event_retry.count(), most = with_.push.bounds.most_event_retry.count();
    return std::chrono::milliseconds{std::uniform_int_distribution{least, most}(random_)};
}

response sse_server::open(request const& asked, std::string tally, target const& split)
{
    if (with_.push.closing) return problem(503, "draining", "the server is shutting down");
    auto wanted = wanted_events(std::move(tally), split, asked.last_event_id, with_.push.bounds);
    if (wanted.refused.status != 200) return std::move(wanted.refused);
    auto session = std::make_shared<sse_session>(asked.who(), asked.by, with_);
    if (auto const refused = session->begin(std::move(wanted.what), retry())) return refused_events(*refused, asked.by);
    response out{.content_type = "text/event-stream", .lasts = std::move(session)};
    out.fields.emplace_back("Cache-Control", "no-store");
    out.fields.emplace_back("X-Accel-Buffering", "no");
    return out;
}

}  // namespace pgtally::server
