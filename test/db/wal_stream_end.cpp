// How a wal_stream ends: stopped, destroyed or cancelled, in any state.

#include <pgtally/test/db/wal_subject.hpp>
#include <pgtally/test/support/step_proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <memory>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

struct wal_end_fixture : wal_fixture {
    [[nodiscard]] db::config through(step_proxy const& proxy) const
    {
        return db_fixture::settings(proxy.dsn() + " dbname=" + database);
    }

    // The messages of a connection, from its start up to the first transaction that is delivered.
    [[nodiscard]] std::size_t steps() const
    {
        step_proxy proxy(cluster::shared().port());
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            wal_subject it(executor, through(proxy));
            it.start();
            BOOST_TEST((co_await it.next_text()) == "+");
            emit("a");
            BOOST_TEST((co_await it.next_text()) == "a");
            it.stream.stop();
        });
        auto const all = proxy.steps();
        return static_cast<std::size_t>(std::find(all.begin(), all.end(), "S:d") - all.begin()) + 1;
    }
};

// True when that many messages have passed; before the last of them reaches the stream, or after.
auto passed(step_proxy& proxy, std::size_t count)
{
    return [&proxy, count] { return proxy.steps().size() >= count; };
}

asio::awaitable<void> run_and_count(asio::awaitable<void> run, int& ended)
{
    co_await std::move(run);
    ++ended;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_wal_stream_end, wal_end_fixture)

BOOST_AUTO_TEST_CASE(stop_ends_it_at_every_step)
{
    auto const last = steps();
    BOOST_TEST(last > 20u);
    for (std::size_t step = 0; step <= last; ++step) {
        BOOST_TEST_CONTEXT("after step " << step << " of " << last)
        {
            step_proxy proxy(cluster::shared().port());
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                wal_subject it(executor, through(proxy));
                it.start();
                co_await it.wait_for(passed(proxy, std::min(step, last - 1)));
                it.stream.stop();
                BOOST_TEST((co_await it.next_text()) == "stopped");
                co_await it.until_run_ended();
                BOOST_TEST(!it.stream.is_streaming());
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(stop_ends_a_wait_for_the_slot_and_what_was_not_fetched)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection writer(executor);
        auto const with = settings();
        co_await writer.connect(with);
        co_await writer.script("begin; create table t ()");
        db::wal_stream_limits limits;
        limits.slot_notice = std::chrono::milliseconds{1};
        wal_subject waiting(executor, settings(), limits);
        waiting.start();
        BOOST_TEST((co_await waiting.next_text()) == "?");
        waiting.stream.stop();
        BOOST_TEST((co_await waiting.next_text()) == "stopped");
        co_await waiting.until_run_ended();
        co_await writer.script("rollback");

        wal_subject streaming(executor, settings());
        streaming.start();
        co_await streaming.until("+");
        emit("never fetched");
        auto const arrived = [&] { return streaming.stream.counters().transactions == 1; };
        co_await streaming.wait_for(arrived);
        streaming.stream.stop();
        streaming.stream.stop();
        streaming.stream.reconnect("too late");
        streaming.stream.confirm(db::lsn{1});
        BOOST_TEST((co_await streaming.next_text()) == "stopped");
        co_await streaming.until_run_ended();
    });
    // A slot goes with its connection, one that waits at the latest after slot_patience.
    auto const left = [&] { return sql("select count(*) from pg_replication_slots where slot_name like 'test\\_%'"); };
    constexpr int tries = 1000;
    for (int i = 0; i < tries && left() != "0"; ++i) sql("select pg_sleep(0.01)");
    BOOST_TEST(left() == "0");
}

BOOST_AUTO_TEST_CASE(destroyed_stream_ends_run_and_next)
{
    auto const last = steps();
    for (std::size_t step = 0; step < last; step += 3) {
        step_proxy proxy(cluster::shared().port());
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            int runs = 0, nexts = 0;
            auto waiting = [&](asio::awaitable<std::span<db::wal::event const>> of) -> asio::awaitable<void> {
                co_await std::move(of);
                ++nexts;
            };
            auto stream = std::make_unique<db::wal_stream>(executor, through(proxy), wal_options());
            spawn(executor, run_and_count(stream->run(), runs));
            spawn(executor, waiting(stream->next()));
            do co_await asio::post(executor, asio::use_awaitable);
            while (!passed(proxy, step)());
            stream.reset();
            while (runs + nexts < 2) co_await asio::post(executor, asio::use_awaitable);
        });
    }
}

BOOST_AUTO_TEST_CASE(cancelled_run_is_a_stop)
{
    auto const last = steps();
    for (std::size_t step = 0; step < last; step += 3) {
        step_proxy proxy(cluster::shared().port());
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::wal_stream stream(executor, through(proxy), wal_options());
            asio::cancellation_signal cancel;
            std::exception_ptr thrown;
            bool ended = false;
            auto handler = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr by) {
                thrown = by;
                ended = true;
            });
            asio::co_spawn(executor, stream.run(), std::move(handler));
            do co_await asio::post(executor, asio::use_awaitable);
            while (!passed(proxy, step)());
            cancel.emit(asio::cancellation_type::terminal);
            while (!ended) co_await asio::post(executor, asio::use_awaitable);
            auto const rest = co_await stream.next();
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
        db::wal_stream stream(executor, settings(), wal_options());
        stream.reconnect("not running yet");  // has no effect
        stream.confirm(db::lsn{7});           // likewise
        stream.stop();
        co_await stream.run();
        BOOST_TEST(stream.counters().connects == 0u);
    });
}

BOOST_AUTO_TEST_CASE(second_run_and_second_next_are_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, settings());
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        auto const run_again = co_await failure_of(it.stream.run());
        BOOST_TEST((run_again.code() == db::errc::busy));
        bool ended = false;
        auto waiting = [&]() -> asio::awaitable<void> {
            auto const events = co_await it.stream.next();
            ended = events.empty();
        };
        spawn(executor, waiting());
        co_await asio::post(executor, asio::use_awaitable);
        auto const next_again = co_await failure_of(it.stream.next());
        BOOST_TEST((next_again.code() == db::errc::busy));
        it.stream.stop();
        while (!ended) co_await asio::post(executor, asio::use_awaitable);
    });
}

BOOST_AUTO_TEST_CASE(context_may_end_first)
{
    auto const last = steps();
    for (std::size_t step = 0; step < last; step += 3) {
        step_proxy proxy(cluster::shared().port());
        asio::io_context context;
        db::wal_stream stream(context.get_executor(), through(proxy), wal_options());
        auto consume = [&]() -> asio::awaitable<void> {
            for (;;) co_await stream.next();
        };
        spawn(context.get_executor(), stream.run());
        spawn(context.get_executor(), consume());
        constexpr int tries = 20'000;
        for (int i = 0; i < tries && !passed(proxy, step)(); ++i) context.run_for(std::chrono::milliseconds{2});
        BOOST_TEST(passed(proxy, step)());
    }
}

BOOST_AUTO_TEST_SUITE_END()
