// How calls of a session end early, and how its connection and the session itself end.

#include <pgtally/test/db/client.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <memory>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto aborted = asio::error::operation_aborted;

db::session::time_point in(std::chrono::milliseconds time)
{
    return std::chrono::steady_clock::now() + time;
}

std::string through(proxy const& by)
{
    return "host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(by.port());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_session_end, session_fixture)

BOOST_AUTO_TEST_CASE(cancelled_before_sending_is_withdrawn)
{
    auto settings = session_settings();
    settings.max_in_flight = 1;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("create temporary table seen (id int)");
        co_await it.hold();
        auto const first = it.stop_here();
        co_await it.until_sent(1);
        auto const given_up = it.begin("insert into seen values (1)");
        auto const kept = it.begin("insert into seen values (2)");
        auto const reached = [&] { return it.session.queued() == 2; };
        co_await it.until(reached);
        given_up->cancel.emit(asio::cancellation_type::terminal);
        co_await it.until_ended(given_up);
        BOOST_TEST(given_up->failed_by(aborted));
        BOOST_TEST(it.session.queued() == 1u);
        BOOST_TEST(it.session.stats().withdrawn == 1u);
        co_await it.release();
        co_await it.until_ended(kept);
        auto const seen = co_await it.session.query("select id from seen");
        BOOST_REQUIRE(seen.size() == 1u);
        BOOST_TEST(seen.text(0, 0) == "2");
        BOOST_TEST(it.session.stats().dropped == 0u);
    });
}

BOOST_AUTO_TEST_CASE(cancelled_after_sending_has_its_answer_dropped)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("create temporary table seen (id int)");
        auto const pid = it.session.backend_pid();
        co_await it.hold();
        auto const first = it.stop_here();
        auto const given_up = it.begin("insert into seen values (1) returning id");
        auto const failing = it.begin("select 1 / 0");
        auto const kept = it.begin("select 'kept'");
        co_await it.until_sent(4);
        for (auto const& each : {first, given_up, failing}) {
            each->cancel.emit(asio::cancellation_type::terminal);
            co_await it.until_ended(each);
            BOOST_TEST(each->failed_by(aborted));
        }
        BOOST_TEST(it.session.in_flight() == 4u);
        co_await it.release();
        co_await it.until_ended(kept);
        BOOST_TEST(kept->result.text(0, 0) == "kept");
        BOOST_TEST(it.session.stats().dropped == 3u);
        auto const seen = co_await it.session.query("select id from seen");
        BOOST_TEST(seen.size() == 1u);
        BOOST_TEST((it.session.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(abandoned_stale_statement_is_not_run_again)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("create temporary table seen (id int)");
        co_await it.session.query("insert into seen values ($1)", 1);
        co_await it.hold();
        auto const first = it.stop_here();
        auto const drop = it.begin("deallocate all");
        auto const given_up = it.begin("insert into seen values ($1)", 2);
        co_await it.until_sent(3);
        given_up->cancel.emit(asio::cancellation_type::terminal);
        co_await it.release();
        co_await it.until_sent(0);
        auto const seen = co_await it.session.query("select id from seen");
        BOOST_TEST(seen.size() == 1u);
    });
}

BOOST_AUTO_TEST_CASE(deadline_ends_the_call_and_not_the_connection)
{
    for (std::size_t const in_flight : {1u, 100u}) {
        auto settings = session_settings();
        settings.max_in_flight = in_flight;
        with_client(settings, [&](client& it) -> asio::awaitable<void> {
            co_await it.check_usable();
            auto const pid = it.session.backend_pid();
            co_await it.hold();
            auto const first = it.stop_here();
            auto const late = co_await failure_of(it.session.query(in(50ms), "select $1::int", 1));
            BOOST_TEST((late.code() == db::errc::timed_out));
            BOOST_TEST(late.statement() == "select $1::int");
            using row = std::tuple<std::int64_t>;
            auto const past = co_await failure_of(it.session.query_as<row>(in(-1s), "select 1::bigint"));
            BOOST_TEST((past.code() == db::errc::timed_out));
            co_await it.release();
            co_await it.until_ended(first);
            BOOST_TEST(!first->failure);
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().withdrawn + it.session.stats().dropped == 2u);
            if (in_flight == 1) BOOST_TEST(it.session.stats().withdrawn == 2u);
            BOOST_TEST((it.session.backend_pid() == pid));
        });
    }
}

BOOST_AUTO_TEST_CASE(query_timeout_is_the_deadline_of_calls_without_one)
{
    auto settings = session_settings();
    settings.connection.query_timeout = 20ms;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        client it(executor, settings);
        db::connection other(executor);
        co_await other.connect(session_settings().connection);
        co_await other.query("select pg_advisory_lock(7)");
        it.start();
        auto const late = co_await failure_of(it.session.query("select pg_advisory_xact_lock(7)"));
        BOOST_TEST((late.code() == db::errc::timed_out));
        co_await other.query("select pg_advisory_unlock(7)");
        auto const patient = co_await it.session.query(in(1min), "select 'in time'");
        BOOST_TEST(patient.text(0, 0) == "in time");
        co_await it.end();
    });
}

BOOST_AUTO_TEST_CASE(deadline_passes_while_nothing_can_be_reached)
{
    auto const settings = session_settings(cluster::shared().dsn("nowhere"));
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        auto const late = co_await failure_of(it.session.query(in(20ms), "select 1"));
        BOOST_TEST((late.code() == db::errc::timed_out));
        auto const reached = [&] { return it.session.stats().connect_failures > 2; };
        co_await it.until(reached);
    });
    auto const about_it = [&] {
        std::size_t lines = 0;
        for (auto const& [at, line] : log->lines) lines += at == db::level::error && mentions(line, "nowhere") ? 1 : 0;
        return lines;
    };
    BOOST_TEST(about_it() == 1u);
}

BOOST_AUTO_TEST_CASE(terminated_backend_fails_what_was_sent_and_not_what_waits)
{
    auto settings = session_settings();
    settings.max_in_flight = 3;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("select $1::text", "prepared");
        auto const before = it.session.backend_pid();
        co_await it.hold();
        auto const first = it.stop_here();
        auto const sent = it.begin("select 'sent'");
        auto const abandoned = it.begin("select 'abandoned'");
        auto const waits = it.begin("select $1::text", "waited");
        auto const reached = [&] { return it.session.in_flight() == 3 && it.session.queued() == 1; };
        co_await it.until(reached);
        abandoned->cancel.emit(asio::cancellation_type::terminal);
        terminate(before);
        co_await it.until_ended(waits);
        BOOST_REQUIRE(!waits->failure);
        BOOST_TEST(waits->result.text(0, 0) == "waited");
        for (auto const& each : {first, sent}) {
            BOOST_TEST(each->ended);
            BOOST_TEST(each->failed_by(db::errc::connection_lost));
            BOOST_TEST(each->failure->state().is("57P01"));
            BOOST_TEST(mentions(each->failure->what(), "terminating connection due to administrator command"));
        }
        BOOST_TEST(first->failure->statement() == "select pg_advisory_xact_lock(7)");
        BOOST_TEST(sent->failure->statement() == "select 'sent'");
        BOOST_TEST((it.session.backend_pid() != before));
        BOOST_TEST(it.session.stats().connects == 2u);
        BOOST_TEST(it.session.stats().losses == 1u);
        BOOST_TEST(it.session.stats().healed == 0u);
    });
    BOOST_TEST(log->contain("terminating connection"));
}

BOOST_AUTO_TEST_CASE(backend_terminated_while_idle_is_noticed_without_a_call)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        for (std::uint64_t connects = 1; connects < 4; ++connects) {
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().connects == connects);
            terminate(it.session.backend_pid());
            auto const reached = [&] { return it.session.stats().connects > connects; };
            co_await it.until(reached);
        }
        BOOST_TEST(it.session.stats().losses == 3u);
    });
    BOOST_TEST(log->contain("(57P01)"));
}

BOOST_AUTO_TEST_CASE(cut_and_half_closed_connection_is_made_again)
{
    for (auto const misbehave : {&proxy::cut, &proxy::half_close}) {
        proxy between(cluster::shared().port());
        with_client(session_settings(through(between)), [&](client& it) -> asio::awaitable<void> {
            co_await it.hold();
            auto const first = it.stop_here();
            auto const second = it.begin("select 2");
            co_await it.until_sent(2);
            (between.*misbehave)();
            co_await it.until_ended(second);
            BOOST_TEST(first->failed_by(db::errc::connection_lost));
            BOOST_TEST(second->failed_by(db::errc::connection_lost));
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().connects == 2u);
        });
    }
}

BOOST_AUTO_TEST_CASE(open_transaction_is_refused_and_takes_its_followers_with_it)
{
    auto const database = cluster::shared().create_database();
    cluster::shared().sql("create table seen (id int)", database);
    for (std::string const begin :
         {"begin", "start transaction read write", "/* x */ BEGIN ISOLATION LEVEL SERIALIZABLE"}) {
        with_client(session_settings(cluster::shared().dsn(database)), [&](client& it) -> asio::awaitable<void> {
            co_await it.hold();
            auto const first = it.stop_here();
            auto const opening = it.begin(begin);
            auto const inside = it.begin("insert into seen values (1)");
            auto const commit = it.begin("commit");
            co_await it.until_sent(4);
            co_await it.release();
            co_await it.until_ended(commit);
            BOOST_TEST(!first->failure);
            BOOST_REQUIRE(opening->failed_by(db::errc::not_shareable));
            BOOST_TEST(opening->failure->statement() == begin);
            BOOST_TEST(inside->failed_by(db::errc::connection_lost));
            BOOST_TEST(commit->failed_by(db::errc::connection_lost));
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().connects == 2u);
            BOOST_TEST(it.session.stats().losses == 1u);
        });
        bool said = false;
        for (auto const& [at, line] : log->lines)
            said = said || (at == db::level::error && mentions(line, "transaction"));
        BOOST_TEST(said);
    }
}

BOOST_AUTO_TEST_CASE(copy_is_refused)
{
    for (std::string const copy : {"copy target to stdout", "copy target from stdin"}) {
        with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
            co_await it.session.query("create temporary table target (id int)");
            auto const refused = co_await failure_of(it.session.query(copy));
            BOOST_TEST((refused.code() == db::errc::not_shareable));
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().connects == 2u);
        });
    }
}

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
    for (auto const& each : {session_settings(), session_settings(through(silent))}) {
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

BOOST_AUTO_TEST_SUITE_END()
