#include "ear.hpp"

#include <pgtally/db/listener.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr std::string_view fence = "fence";

}  // namespace

struct ear::state {
    state(laboratory& lab, std::vector<std::string> which, hear what)
        : channels(std::move(which))
        , each(std::move(what))
        , from(lab.executor(), lab.worker_settings(), channels)
        , changed(lab.executor())
    {
    }

    std::vector<std::string> channels;
    hear each;
    db::listener from;
    bool listening = false;
    bool fenced = false;
    std::string trouble{};
    asio::steady_timer changed;  // cancelled when one of the other members changes
};

asio::awaitable<void> ear::keep(std::shared_ptr<state> of)
{
    for (;;) {
        auto const events = co_await of->from.next();
        if (events.empty()) co_return;
        for (auto const& event : events) {
            if (std::holds_alternative<db::listening>(event)) of->listening = true;
            if (auto const* gone = std::get_if<db::lost>(&event)) of->trouble = gone->reason;
            auto const* said = std::get_if<db::notification>(&event);
            if (said == nullptr) continue;
            if (said->channel == of->channels.front() && said->payload == fence) of->fenced = true;
            else of->each(said->channel, said->payload);
        }
        of->changed.cancel();
    }
}

asio::awaitable<void> ear::until(std::shared_ptr<state> of, bool state::* wanted, char const* complaint)
{
    of->changed.expires_after(patience);
    while (!((*of).*wanted)) {
        if (!of->trouble.empty()) throw refused(complaint + (": " + of->trouble));
        auto const [code] = co_await of->changed.async_wait(asio::as_tuple(asio::use_awaitable));
        if (!code) throw refused(complaint + std::string(": 30 s have passed"));
    }
}

ear::ear(laboratory& lab, std::vector<std::string> channels, hear each)
    : lab_(lab), state_(std::make_shared<state>(lab, std::move(channels), std::move(each)))
{
}

ear::~ear()
{
    state_->from.stop();
}

asio::awaitable<void> ear::listen()
{
    auto const on_end = [of = state_](std::exception_ptr thrown) {
        if (thrown && of->trouble.empty()) of->trouble = "a notification that is not the lab's, or no listener";
        of->changed.cancel();
    };
    asio::co_spawn(lab_.executor(), state_->from.run(), on_end);
    asio::co_spawn(lab_.executor(), keep(state_), on_end);
    co_await until(state_, &state::listening, "the listener cannot listen");
}

asio::awaitable<void> ear::catch_up()
{
    // Notifications arrive in commit order, so everything committed before this one has been received.
    state_->fenced = false;
    co_await lab_.director().query("select pg_notify($1, $2)", state_->channels.front(), fence);
    co_await until(state_, &state::fenced, "the listener did not hear its own notification");
}

}  // namespace pgtally::lab
