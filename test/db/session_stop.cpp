// How a session itself ends.

#include <pgtally/test/db/client.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <memory>
#include <stdexcept>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_session_stop, session_fixture)

namespace {

constexpr auto aborted = asio::error::operation_aborted;

}  // namespace

BOOST_AUTO_TEST_CASE(stop_ends_all_calls)
{
    auto settings = session_settings();
    settings.max_in_flight = 2;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        client it(executor, settings);
        it.start();
        co_await it.hold();
        std::vector<client::call> calls{it.stop_here()};
        for (int i = 0; i < 5; ++i) calls.push_back(it.begin("select 1"));
        auto const reached = [&] { return it.session.in_flight() == 2 && it.session.queued() == 4; };
        co_await it.until(reached);
        co_await it.end();
        for (auto const& call : calls) {
            co_await it.until_ended(call);
            BOOST_TEST(call->failed_by(db::errc::closed));
        }
        auto const after = co_await failure_of(it.session.query("select 1"));
        BOOST_TEST((after.code() == db::errc::closed));
        BOOST_TEST(!it.session.is_open());
        auto const again = co_await failure_of(it.session.run());
        BOOST_TEST((again.code() == db::errc::busy));
    });
}

BOOST_AUTO_TEST_CASE(destroyed_session_ends_run_and_calls_in_every_state)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    for (auto const& each : {session_settings(), session_settings(silent.dsn())}) {
        for (int turns = 1; turns < 60; turns += turns < 12 ? 1 : 8) {
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                int ended = 0;
                auto running = [&](asio::awaitable<void> of) -> asio::awaitable<void> {
                    co_await std::move(of);
                    ++ended;
                };
                auto calling = [&](asio::awaitable<db::result_set> of) -> asio::awaitable<void> {
                    try {
                        co_await std::move(of);
                    } catch (db::error const& thrown) {
                        BOOST_TEST((thrown.code() == db::errc::closed));
                    }
                    ++ended;
                };
                auto session = std::make_unique<db::session>(executor, each);
                spawn(executor, running(session->run()));
                spawn(executor, calling(session->query("select pg_sleep(1000)")));
                spawn(executor, calling(session->query("select 1")));
                for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
                session.reset();
                while (ended < 3) co_await asio::post(executor, asio::use_awaitable);
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(cancelled_run_is_a_stop)
{
    for (int turns = 1; turns < 64; turns = turns * 2 + 1) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            client it(executor, session_settings());
            auto const call = it.begin("select pg_sleep(1000)");
            asio::cancellation_signal cancel;
            std::exception_ptr thrown;
            bool ended = false;
            auto handler = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr by) {
                thrown = by;
                ended = true;
            });
            asio::co_spawn(executor, it.session.run(), std::move(handler));
            for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
            cancel.emit(asio::cancellation_type::terminal);
            auto const reached = [&] { return ended; };
            co_await it.until(reached);
            co_await it.until_ended(call);
            BOOST_TEST(call->failed_by(db::errc::closed));
            try {
                if (thrown) std::rethrow_exception(thrown);
                BOOST_ERROR("it ended without an error");
            } catch (boost::system::system_error const& caught) {
                BOOST_TEST((caught.code() == aborted));
            }
        });
    }
}

BOOST_AUTO_TEST_CASE(log_hook_may_stop_it)
{
    for (std::string const at : {"connected to", "session open", "a notice"}) {
        auto settings = session_settings();
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::session* session = nullptr;
            settings.connection.log = [&](db::level, std::string_view line) {
                if (mentions(line, at)) session->stop();
            };
            db::session mine(executor, settings);
            session = &mine;
            bool ended = false;
            auto call = [&]() -> asio::awaitable<void> {
                auto query = session->query("do $$ begin raise warning 'a notice'; end $$");
                try {
                    co_await std::move(query);
                    BOOST_TEST(at == "a notice");  // answered along with it
                } catch (db::error const& failure) {
                    BOOST_TEST((failure.code() == db::errc::closed));
                }
                ended = true;
            };
            spawn(executor, call());
            co_await session->run();
            while (!ended) co_await asio::post(executor, asio::use_awaitable);
            BOOST_TEST(!session->is_open());
        });
    }
}

BOOST_AUTO_TEST_CASE(context_may_end_first)
{
    for (int turns = 0; turns < 60; turns += 3) {
        asio::io_context context;
        db::session session(context.get_executor(), session_settings());
        auto call = [&]() -> asio::awaitable<void> {
            for (;;) co_await session.query("select pg_sleep(0.001)");
        };
        spawn(context.get_executor(), session.run());
        for (int i = 0; i < 5; ++i) spawn(context.get_executor(), call());
        for (int i = 0; i < turns; ++i) context.run_one_for(std::chrono::milliseconds{20});
        BOOST_TEST(!context.stopped());
    }
}

BOOST_AUTO_TEST_CASE(caller_may_stop_or_destroy_it_or_cancel_run_when_it_is_answered)
{
    enum class deed { stop, destroy, cancel };
    for (auto const what : {deed::stop, deed::destroy, deed::cancel}) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            auto session = std::make_unique<db::session>(executor, session_settings());
            asio::cancellation_signal cancel;
            int answered = 0;
            int ended = 0;
            auto of_run = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) { ++ended; });
            asio::co_spawn(executor, session->run(), std::move(of_run));
            auto calling = [&](asio::awaitable<db::result_set> of) -> asio::awaitable<void> {
                try {
                    co_await std::move(of);
                    ++answered;
                    if (what == deed::stop) session->stop();
                    if (what == deed::destroy) session.reset();
                    if (what == deed::cancel) cancel.emit(asio::cancellation_type::terminal);
                } catch (db::error const& failure) {
                    BOOST_TEST((failure.code() == db::errc::closed));
                }
                ++ended;
            };
            spawn(executor, calling(session->query("select 1")));
            spawn(executor, calling(session->query("select pg_sleep(1000)")));
            while (ended < 3) co_await asio::post(executor, asio::use_awaitable);
            BOOST_TEST(answered == 1);
        });
    }
}

BOOST_AUTO_TEST_CASE(what_a_caller_throws_reaches_the_loop_and_not_the_session)
{
    asio::io_context context;
    db::session session(context.get_executor(), session_settings());
    spawn(context.get_executor(), session.run());
    auto call = [&]() -> asio::awaitable<void> {
        co_await session.query("select 1");
        throw std::runtime_error("a caller's own");
    };
    spawn(context.get_executor(), call());
    BOOST_CHECK_THROW(context.run_for(std::chrono::minutes{1}), std::runtime_error);
    BOOST_TEST(session.is_open());
    BOOST_TEST(session.stats().connects == 1u);
}

BOOST_AUTO_TEST_CASE(context_takes_sessions_in_frames_with_it)
{
    auto const held = std::make_shared<int>(0);
    auto frame = [&](asio::any_io_executor executor, bool runs, std::shared_ptr<int>) -> asio::awaitable<void> {
        db::session session(executor, session_settings());
        if (runs) spawn(executor, session.run());
        co_await session.query("select pg_sleep(1000)");
    };
    for (bool const runs : {false, true}) {
        for (int turns = 0; turns < 60; turns += 3) {
            {
                asio::io_context context;
                spawn(context.get_executor(), frame(context.get_executor(), runs, held));
                for (int i = 0; i < turns; ++i) context.run_one_for(std::chrono::milliseconds{1});
                BOOST_TEST(held.use_count() > 1);
            }
            BOOST_TEST(held.use_count() == 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(idle_session_that_does_not_run_keeps_no_loop_alive)
{
    asio::io_context context;
    db::session session(context.get_executor(), session_settings());
    auto call = [&]() -> asio::awaitable<void> {
        auto const soon = std::chrono::steady_clock::now() + 1ms;
        auto const late = co_await failure_of(session.query(soon, "select 1"));
        BOOST_TEST((late.code() == db::errc::timed_out));
    };
    spawn(context.get_executor(), call());
    context.run_for(std::chrono::minutes{1});
    BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_SUITE_END()
