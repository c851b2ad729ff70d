#include <pgtally/db/backoff.hpp>
#include <pgtally/server/ask/ask.hpp>
#include <pgtally/server/ask/event_source.hpp>
#include <pgtally/server/ask/follow_step.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/ask/viewer.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <utility>

namespace pgtally::server {

namespace {

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

// Follows the stream over lost connections and tokens that end. Returns why it cannot.
class follower {
public:
    follower(watch_options chosen, viewer& view, bool terminal)
        : chosen_{std::move(chosen)}, target_{target_of(chosen_, terminal)}, view_{view}
    {
    }

    asio::awaitable<std::string> run();

private:
    asio::awaitable<stream_end> follow(std::string token);
    bool take(sse_event const& event);
    std::string why(stream_end const& end) const;

    watch_options chosen_;
    std::string target_;
    viewer& view_;
    event_reader reader_{limits{}.max_answer_bytes};  // a part of a snapshot has at most 10,000 keys
    std::minstd_rand random_{std::random_device{}()};
    db::backoff pauses_{{}, [this] { return std::generate_canonical<double, 32>(random_); }};
    bool followed_ = false;
    bool expired_ = false;  // the stream ended with its token
    std::string ended_;     // why it ended for good
};

bool follower::take(sse_event const& event)
{
    auto const what = pushed_in(event.name, event.data);
    if (!what) ended_ = "the server sent what cannot be read";
    else if (what->what == pushed::kind::ended) ended_ = what->why;
    else if (what->what == pushed::kind::expired) expired_ = true;
    else view_.take(*what);
    if (!followed_) pauses_.reset();
    followed_ = true;
    return ended_.empty() && !expired_;
}

std::string follower::why(stream_end const& end) const
{
    if (!end.why.empty()) return end.why;
    if (expired_) return "the token has expired";
    if (end.answer.status == 200) return "the server closed the connection";
    return refusal_in(end.answer, chosen_.server.token, "is this the address of a pgtally server?");
}

asio::awaitable<stream_end> follower::follow(std::string token)
{
    expired_ = false;
    std::function<bool(sse_event const&)> taker = [this](sse_event const& event) { return take(event); };
    co_return co_await follow_events(chosen_.server, std::move(token), target_, reader_, std::move(taker));
}

asio::awaitable<std::string> follower::run()
{
    asio::steady_timer pause{co_await asio::this_coro::executor};
    std::optional<std::string> refused;  // the token that the server does not take any more
    for (;;) {
        stream_end end;
        std::string token;
        try {
            token = read_token(chosen_.server.token);  // the file may be about to be replaced
        } catch (std::exception const& e) {
            end.why = e.what();
        }
        if (end.why.empty() && token != refused) {
            end = co_await follow(token);
            if (!ended_.empty()) co_return ended_;
            auto const step = after(end, followed_, chosen_.server.token);
            if (step == follow_step::give_up) co_return why(end);
            refused.reset();
            if (step == follow_step::wait_for_token) refused = token;
            view_.lost(why(end));
        } else if (!followed_) {
            co_return end.why;
        } else if (!end.why.empty()) {
            view_.lost(end.why);
        }
        pause.expires_after(pauses_.next());
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
    follower one{chosen, view, terminal};
    asio::co_spawn(io, one.run(), [&](std::exception_ptr thrown, std::string reason) {
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
