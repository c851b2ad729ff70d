// Faults at every step of a listener: its login, LISTEN, notifications, keep-alive.

#include <pgtally/db/listener.hpp>
#include <pgtally/test/db/fault.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

BOOST_AUTO_TEST_SUITE(test_faults_listener)

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

// The notifications of a channel, which carries increasing numbers.
struct heard {
    int last = 0;
    int losses = 0;
    bool listening = false;
    bool ended = false;
};

void take(trial& it, db::event const& event, heard& into)
{
    if (std::holds_alternative<db::listening>(event)) {
        into.listening = true;
    } else if (auto const* lost = std::get_if<db::lost>(&event)) {
        ++it.failures;
        ++into.losses;
        into.listening = false;
        it.check(!lost->permanent, "lost for good: " + lost->reason);
        it.check(!it.harmless(), "lost, for nothing: " + lost->reason);
    } else {
        auto const number = std::stoi(std::string(std::get<db::notification>(event).payload));
        it.check(number > into.last, "a notification came twice, or late");
        it.check(number == into.last + 1 || into.losses > 0, "a notification is missing");
        into.last = number;
    }
}

asio::awaitable<void> hear(trial& it, db::listener& listener, std::shared_ptr<heard> into)
{
    for (;;) {
        auto const events = co_await listener.next();
        if (events.empty()) break;
        for (auto const& event : events) take(it, event, *into);
    }
    into->ended = true;
}

asio::awaitable<void> follow_run(asio::awaitable<void> running, std::shared_ptr<bool> ended)
{
    co_await std::move(running);
    *ended = true;
}

// Sends notifications, and after every second one waits for a keep-alive, until the fault is over and every
// notification after `listening` has arrived.
asio::awaitable<void> talk(trial& it, db::listener& listener, heard const& so_far, std::string channel)
{
    db::connection sender(it.executor);
    db_fixture healthy;
    auto settings = healthy.settings();
    co_await sender.connect(settings);
    constexpr int most = 50;
    for (int number = 1; number <= most; ++number) {
        auto const is_listening = [&] { return so_far.listening; };
        co_await until(it.executor, is_listening);
        auto const losses = so_far.losses;
        auto const keepalives = listener.counters().keepalives;
        co_await sender.query("select pg_notify($1, $2)", channel, std::to_string(number));
        auto const arrived = [&] { return so_far.last == number || so_far.losses != losses; };
        co_await until(it.executor, arrived);
        auto const came = so_far.losses == losses;
        auto const over = it.harmless() ? it.proxy.struck() || it.plan.what == fault::none : losses > 0;
        if (came && number >= 3 && over) co_return;
        auto const idle = [&] { return listener.counters().keepalives != keepalives || so_far.losses != losses; };
        if (number % 2 == 0) co_await until(it.executor, idle);
    }
    it.check(false, "the fault did not come, or does not end");
}

}  // namespace

BOOST_AUTO_TEST_CASE(loss_is_told_and_listening_comes_back_with_what_is_notified_then)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        auto const settings = it.settings();
        auto const channel = "faults " + std::to_string(it.number);
        db::listener_limits limits;
        limits.keepalive_interval = std::chrono::milliseconds{20};
        limits.keepalive_timeout = settings.query_timeout;
        db::listener listener(it.executor, settings, {channel}, limits);
        auto const run_ended = std::make_shared<bool>(false);
        auto const so_far = std::make_shared<heard>();
        spawn(it.executor, follow_run(listener.run(), run_ended));
        spawn(it.executor, hear(it, listener, so_far));
        co_await talk(it, listener, *so_far, channel);
        listener.stop();
        auto const ended = [&] { return *run_ended && so_far->ended; };
        co_await until(it.executor, ended);
    };
    for_each_fault(scenario);
}

BOOST_AUTO_TEST_SUITE_END()
