#include <pgtally/db/backoff.hpp>
#include <pgtally/server/ask/ask.hpp>
#include <pgtally/server/ask/event_source.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/ask/viewer.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <random>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::size_t max_event_bytes = 16U << 20;  // a part of a snapshot has at most 10,000 keys

std::string target_of(watch_options const& chosen, bool terminal)
{
    auto out = "/v1/tallies/" + percent_encoded(chosen.tally) + "/events";
    char separator = '?';
    auto const add = [&](std::string const& text) {
        out += separator + text;
        separator = '&';
    };
    for (auto const& key : chosen.keys) add("key=" + percent_encoded(key));
    if (terminal) add("interval_ms=100");  // nobody reads faster
    return out;
}

// Whether it helps to ask again: the server is full, starts or ends.
bool may_pass(unsigned status)
{
    return status == 0 || status == 200 || status == 429 || status >= 500;
}

// Follows the stream over lost connections. Returns why it cannot.
asio::awaitable<std::string> follow(watch_options chosen, viewer& view, bool terminal)
{
    event_reader reader{max_event_bytes};
    auto const target = target_of(chosen, terminal);
    std::minstd_rand random{std::random_device{}()};
    db::backoff pauses{{}, [&random] { return std::generate_canonical<double, 32>(random); }};
    asio::steady_timer pause{co_await asio::this_coro::executor};
    bool followed = false;
    std::string ended;
    auto const take = [&](sse_event const& event) {
        auto const what = pushed_in(event.name, event.data);
        if (!what) ended = "the server sent what cannot be read";
        else if (what->what == pushed::kind::ended) ended = what->why;
        else view.take(*what);
        if (!followed) pauses.reset();
        followed = true;
        return ended.empty();
    };
    for (;;) {
        auto const end = co_await follow_events(chosen.url, target, reader, take);
        if (!ended.empty()) co_return ended;
        if (!may_pass(end.answer.status)) {
            co_return refusal_in(end.answer, "is this the address of a pgtally server?");
        }
        auto const why = !end.why.empty()           ? end.why
                         : end.answer.status == 200 ? std::string{"the server closed the connection"}
                                                    : refusal_in(end.answer, "it is not a pgtally server's answer");
        if (!followed && end.answer.status == 0) co_return why;
        view.lost(why);
        pause.expires_after(pauses.next());
        co_await pause.async_wait(as_values);
    }
}

}  // namespace

int watch(watch_options const& chosen)
{
    std::signal(SIGPIPE, SIG_IGN);
    bool const terminal = ::isatty(STDOUT_FILENO) == 1 && !chosen.json;
    viewer view{chosen.tally, chosen.keys,
                chosen.json ? viewer::style::json
                : terminal  ? viewer::style::screen
                            : viewer::style::lines,
                std::cout, std::cerr};
    asio::io_context io{1};
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](auto, int) { io.stop(); });
    std::string why;
    std::exception_ptr failure;
    asio::co_spawn(io, follow(chosen, view, terminal), [&](std::exception_ptr thrown, std::string reason) {
        failure = std::move(thrown);
        why = std::move(reason);
        io.stop();
    });
    view.on_closed([&io] { io.stop(); });
    io.run();
    if (failure) std::rethrow_exception(failure);
    if (why.empty()) return 0;
    std::cerr << "pgtally watch: " << printable(why) << '\n';
    return 1;
}

}  // namespace pgtally::server
