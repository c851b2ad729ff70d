#include <pgtally/server/ask/event_source.hpp>
#include <pgtally/server/ask/http_exchange.hpp>
#include <pgtally/server/base/limits.hpp>

#include <boost/asio/this_coro.hpp>

#include <exception>
#include <utility>

namespace pgtally::server {

namespace {

asio::awaitable<void> follow(http_exchange& exchange, http_question what, std::string token, event_reader& reader,
                             std::function<bool(sse_event const&)> const& take, stream_end& out)
{
    limits const bounds;
    out.answer.status = co_await exchange.ask(std::move(what), std::move(token), bounds.ask_silence);
    for (;;) {
        auto const piece = co_await exchange.more(bounds.ask_silence);
        if (piece.empty()) co_return;
        if (out.answer.status != 200) {
            out.answer.body += piece;
            if (out.answer.body.size() >= bounds.max_refusal_bytes) co_return;
            continue;
        }
        if (!reader.add(piece)) {
            out.unreadable = true;
            out.why = "an event is too large";
            co_return;
        }
        while (auto const event = reader.next()) {
            if (!take(*event)) co_return;
        }
    }
}

}  // namespace

asio::awaitable<stream_end> follow_events(server_access access, std::string token, std::string target,
                                          event_reader& reader, std::function<bool(sse_event const&)> take)
{
    reader.start_over();
    auto const executor = co_await asio::this_coro::executor;
    http_exchange exchange{executor, std::move(access)};
    http_question what;
    what.target = std::move(target);
    what.accept = "text/event-stream";
    what.last_event_id = reader.last_id();
    stream_end out;
    try {
        co_await follow(exchange, std::move(what), std::move(token), reader, take, out);
    } catch (std::exception const& e) {
        // What the server answered before does not count: the connection failed.
        out.answer = {};
        out.why = e.what();
    }
    co_return out;
}

}  // namespace pgtally::server
