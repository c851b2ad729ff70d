// Faults at every step of a wal_stream: its login, its slot, transactions, keep-alives.

#include <pgtally/db/wal_stream.hpp>
#include <pgtally/test/db/fault.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <variant>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

// The messages of a prefix, which carry increasing numbers.
struct heard {
    int last = 0;
    int losses = 0;
    bool streaming = false;
    bool ended = false;
};

void take(trial& it, db::wal_stream& stream, db::wal::event const& event, heard& into)
{
    if (std::holds_alternative<db::wal::streaming>(event)) {
        into.streaming = true;
    } else if (auto const* lost = std::get_if<db::lost>(&event)) {
        ++it.failures;
        ++into.losses;
        into.streaming = false;
        it.check(!lost->permanent, "lost for good: " + lost->reason);
        it.check(!it.harmless(), "lost, for nothing: " + lost->reason);
    } else if (auto const* one = std::get_if<db::wal::transaction>(&event)) {
        it.check(one->complete && one->messages.size() == 2 && one->messages[0] == one->messages[1],
                 "a transaction is not whole");
        auto const number = std::stoi(std::string(one->messages[0]));
        it.check(number > into.last, "a transaction came twice, or late");
        it.check(number == into.last + 1 || into.losses > 0, "a transaction is missing");
        into.last = number;
        stream.confirm(one->end);
    }
}

asio::awaitable<void> hear(trial& it, db::wal_stream& stream, std::shared_ptr<heard> into)
{
    for (;;) {
        auto const events = co_await stream.next();
        if (events.empty()) break;
        for (auto const& event : events) take(it, stream, event, *into);
    }
    into->ended = true;
}

asio::awaitable<void> follow_run(asio::awaitable<void> running, std::shared_ptr<bool> ended)
{
    co_await std::move(running);
    *ended = true;
}

// Emits transactions, and after every second one waits for a keep-alive, until the fault is over and every transaction
// after `streaming` has arrived.
asio::awaitable<void> talk(trial& it, db::wal_stream& stream, heard const& so_far, std::string prefix)
{
    db::connection sender(it.executor);
    db_fixture healthy;
    auto settings = healthy.settings();
    co_await sender.connect(settings);
    constexpr int most = 50;
    for (int number = 1; number <= most; ++number) {
        auto const is_streaming = [&] { return so_far.streaming; };
        co_await until(it.executor, is_streaming);
        auto const losses = so_far.losses;
        auto const keepalives = stream.counters().keepalives;
        co_await sender.query(
            "select pg_logical_emit_message(true, $1, $2::text), pg_logical_emit_message(true, $1, $2::text)", prefix,
            std::to_string(number));
        auto const arrived = [&] { return so_far.last == number || so_far.losses != losses; };
        co_await until(it.executor, arrived);
        auto const came = so_far.losses == losses;
        auto const over = it.harmless() ? it.proxy.struck() || it.plan.what == fault::none : losses > 0;
        if (came && number >= 3 && over) co_return;
        auto const idle = [&] { return stream.counters().keepalives != keepalives || so_far.losses != losses; };
        if (number % 2 == 0) co_await until(it.executor, idle);
    }
    it.check(false, "the fault did not come, or does not end");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_faults_wal)

BOOST_AUTO_TEST_CASE(loss_is_told_and_streaming_comes_back_with_what_is_emitted_then)
{
    cluster::shared().sql("create publication faults");
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        auto const settings = it.settings();
        db::wal_stream_options options;
        options.publication = "faults";
        options.prefix = "faults " + std::to_string(it.number);
        db::wal_stream_limits limits;
        limits.slot_patience = settings.query_timeout;
        limits.keepalive_interval = std::chrono::milliseconds{20};
        limits.keepalive_timeout = settings.query_timeout;
        db::wal_stream stream(it.executor, settings, options, limits);
        auto const run_ended = std::make_shared<bool>(false);
        auto const so_far = std::make_shared<heard>();
        spawn(it.executor, follow_run(stream.run(), run_ended));
        spawn(it.executor, hear(it, stream, so_far));
        co_await talk(it, stream, *so_far, options.prefix);
        stream.stop();
        auto const ended = [&] { return *run_ended && so_far->ended; };
        co_await until(it.executor, ended);
    };
    fault_options options;
    options.steps_vary = true;  // statuses go by time
    options.at_once = 3;        // the server has ten slots, and those of lost connections stay for a moment
    for_each_fault(scenario, options);
    cluster::shared().sql("drop publication faults");
}

BOOST_AUTO_TEST_SUITE_END()
