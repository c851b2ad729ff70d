// How a listener ends: stopped, destroyed or cancelled, in any state.

#include <pgtally/test/db/subject.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_listener_end, db_fixture)

BOOST_AUTO_TEST_CASE(stop_ends_it_in_every_state)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    auto const local = settings(silent.dsn());
    auto by_name = local;
    by_name.conninfo.replace(by_name.conninfo.find("127.0.0.1"), 9, "localhost");
    auto patient = settings(cluster::shared().dsn("nowhere"));
    patient.retry.first = std::chrono::minutes{10};
    patient.retry.cap = std::chrono::minutes{10};
    for (auto const& each : {settings(), local, by_name, patient}) {
        for (int turns = 0; turns < 40; turns += turns < 8 ? 1 : 8) {
            BOOST_TEST_CONTEXT(each.redacted() << " after " << turns << " turns")
            {
                run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                    subject it(executor, each);
                    it.start();
                    for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
                    it.listener.stop();
                    BOOST_TEST((co_await it.next()) == "stopped");
                    co_await it.until_run_ended();
                });
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(destroyed_listener_ends_run_and_next)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    for (auto const& each : {settings(), settings(silent.dsn())}) {
        for (int turns = 0; turns < 40; turns += turns < 8 ? 1 : 8) {
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                int ended = 0;
                auto running = [&](asio::awaitable<void> of) -> asio::awaitable<void> {
                    co_await std::move(of);
                    ++ended;
                };
                auto waiting = [&](db::listener& of) -> asio::awaitable<void> {
                    auto next = of.next();
                    auto const first = co_await std::move(next);
                    if (!first.empty()) co_return static_cast<void>(++ended);  // there was time to connect
                    ++ended;
                };
                auto listener = std::make_unique<db::listener>(executor, each, std::vector<std::string>{"one"});
                spawn(executor, running(listener->run()));
                spawn(executor, waiting(*listener));
                for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
                if (turns == 0) co_await asio::post(executor, asio::use_awaitable);  // both have begun
                listener.reset();
                while (ended < 2) co_await asio::post(executor, asio::use_awaitable);
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(cancelled_run_is_a_stop)
{
    for (int turns = 0; turns < 64; turns = turns * 2 + 1) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::listener listener(executor, settings(), {"one"});
            asio::cancellation_signal cancel;
            std::exception_ptr thrown;
            bool ended = false;
            auto handler = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr by) {
                thrown = by;
                ended = true;
            });
            asio::co_spawn(executor, listener.run(), std::move(handler));
            for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
            cancel.emit(asio::cancellation_type::terminal);
            while (!ended) co_await asio::post(executor, asio::use_awaitable);
            auto const rest = co_await listener.next();
            BOOST_TEST(rest.empty());
            try {
                if (thrown) std::rethrow_exception(thrown);
                BOOST_ERROR("it ended without an error");
            } catch (boost::system::system_error const& caught) {
                BOOST_TEST((caught.code() == asio::error::operation_aborted));
            }
        });
    }
}

BOOST_AUTO_TEST_CASE(stopped_before_run_ends_at_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener listener(executor, settings(), {"one"});
        listener.reconnect("not running yet");  // has no effect
        listener.stop();
        co_await listener.run();
        BOOST_TEST(listener.counters().connects == 0u);
    });
}

BOOST_AUTO_TEST_CASE(second_run_and_second_next_are_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, settings());
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        auto const run_again = co_await failure_of(it.listener.run());
        BOOST_TEST((run_again.code() == db::errc::busy));
        bool ended = false;
        auto waiting = [&]() -> asio::awaitable<void> {
            auto const events = co_await it.listener.next();
            ended = events.empty();
        };
        spawn(executor, waiting());
        co_await asio::post(executor, asio::use_awaitable);
        auto const next_again = co_await failure_of(it.listener.next());
        BOOST_TEST((next_again.code() == db::errc::busy));
        it.listener.stop();
        while (!ended) co_await asio::post(executor, asio::use_awaitable);
    });
}

BOOST_AUTO_TEST_CASE(context_may_end_first)
{
    for (int turns = 0; turns < 40; turns += 3) {
        asio::io_context context;
        db::listener listener(context.get_executor(), settings(), {"one"});
        auto consume = [&]() -> asio::awaitable<void> {
            for (;;) co_await listener.next();
        };
        spawn(context.get_executor(), listener.run());
        spawn(context.get_executor(), consume());
        for (int i = 0; i < turns; ++i) context.run_one_for(std::chrono::milliseconds{20});
        BOOST_TEST(!context.stopped());
    }
}

BOOST_AUTO_TEST_SUITE_END()
