#include <pgtally/db/listener.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/check/database_checks.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace pgtally::server {

namespace {

std::string random_channel()
{
    std::random_device source;
    return "pgtally_check_" + std::to_string(source()) + '_' + std::to_string(source());
}

asio::awaitable<void> stop_after(db::listener& which, asio::steady_timer& timer)
{
    auto const [stopped_early] = co_await timer.async_wait(as_values);
    if (!stopped_early) which.stop();
}

// What a listener experienced: it receives a notification of the other connection, or cannot even connect.
struct experience {
    bool heard = false;
    std::optional<db::lost> lost{};
};

asio::awaitable<experience> listen(db::listener& listener, db::connection& sender, std::string channel)
{
    experience result;
    for (;;) {
        auto const events = co_await listener.next();
        if (events.empty()) co_return result;
        bool begins = false;
        for (auto const& event : events) {
            result.heard = std::holds_alternative<db::notification>(event);
            if (auto const* why = std::get_if<db::lost>(&event)) result.lost = *why;
            if (result.heard || result.lost) co_return result;
            begins = begins || std::holds_alternative<db::listening>(event);
        }
        if (begins) co_await sender.query("select pg_notify($1, 'check')", channel);
    }
}

}  // namespace

asio::awaitable<void> check_notifications(db::connection& connection, db::config settings, examination& out)
{
    using namespace std::chrono_literals;
    auto const standby = co_await connection.query_as<bool>("select pg_is_in_recovery()");
    if (standby.one()) {
        out.skipped("notify", "a standby has no notifications");  // check_server reports it
        co_return;
    }
    std::set<std::int32_t> backends;
    for (int i = 0; i < 5; ++i) {
        auto const pid = co_await connection.query_as<std::int32_t>("select pg_backend_pid()");
        backends.insert(pid.one());
    }
    auto const executor = co_await asio::this_coro::executor;
    auto const channel = random_channel();
    std::vector<std::string> channels{channel};
    db::listener listener{executor, std::move(settings), std::move(channels)};
    asio::steady_timer timer{executor, 3s};
    // Both coroutines end when the listener stops. It must outlive them: the loop below waits for both.
    bool run_ended = false, timer_ended = false;
    asio::co_spawn(executor, listener.run(), [&](std::exception_ptr) { run_ended = true; });
    asio::co_spawn(executor, stop_after(listener, timer), [&](std::exception_ptr) { timer_ended = true; });
    auto const result = co_await listen(listener, connection, channel);
    listener.stop();
    timer.cancel();
    asio::steady_timer turn{executor};
    while (!run_ended || !timer_ended) {
        turn.expires_after(5ms);
        co_await turn.async_wait(as_values);
    }
    out.saw("notify", result.heard ? "a notification came back" : "");
    if (result.heard && backends.size() == 1) co_return;
    auto& one = out.found.emplace_back();
    if (result.lost) {
        one.check = "connection";
        one.message = "a second connection, to listen: " + result.lost->reason;
        one.remedy = result.lost->remedy;
        if (one.remedy.empty()) one.remedy = "see the log of PostgreSQL";
        co_return;
    }
    one.check = "pooler";
    one.message = result.heard
                      ? "different backends run the statements: there is a pooler in between"
                      : "a notification did not come back within 3 s: there is a pooler in between, or LISTEN is not "
                        "possible";
    one.remedy = "connect to PostgreSQL directly, or through a pooler in session mode";
}

}  // namespace pgtally::server
