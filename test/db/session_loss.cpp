// How a session's connection is lost and replaced.

#include <pgtally/test/db/client.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <vector>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_session_loss, session_fixture)

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
        with_client(session_settings(between.dsn()), [&](client& it) -> asio::awaitable<void> {
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

BOOST_AUTO_TEST_CASE(idle_connection_that_falls_silent_is_noticed_and_made_again)
{
    proxy between(cluster::shared().port());
    auto settings = session_settings(between.dsn());
    settings.keepalive_interval = 10ms;
    settings.keepalive_timeout = 100ms;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.check_usable();
        between.stall();
        auto const noticed = [&] { return it.session.stats().losses == 1; };
        co_await it.until(noticed);
        BOOST_TEST(!it.session.is_open());
        between.pass();
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().connects == 2u);
        BOOST_TEST(it.session.stats().dropped == 0u);
    });
    BOOST_TEST(log->contain("no answer to a keep-alive"));
}

BOOST_AUTO_TEST_CASE(call_sent_behind_an_unanswered_keepalive_is_lost_with_it)
{
    proxy between(cluster::shared().port());
    auto settings = session_settings(between.dsn());
    settings.keepalive_interval = 10ms;
    settings.keepalive_timeout = 1s;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.check_usable();
        between.stall();
        auto const before = it.session.stats().keepalives;
        auto const asked = [&] { return it.session.stats().keepalives > before && it.session.in_flight() == 1; };
        co_await it.until(asked);
        auto const behind = it.begin("select 1");
        co_await it.until_ended(behind);
        BOOST_TEST(behind->failed_by(db::errc::connection_lost));
        BOOST_TEST(mentions(behind->failure->what(), "no answer to a keep-alive"));
        between.pass();
        co_await it.check_usable();
    });
}

BOOST_AUTO_TEST_CASE(idle_connection_that_answers_is_kept)
{
    auto settings = session_settings();
    settings.keepalive_interval = 1ms;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        auto const asked = [&] { return it.session.stats().keepalives == 10; };
        co_await it.until(asked);
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().connects == 1u);
        BOOST_TEST(it.session.stats().losses == 0u);
        BOOST_TEST(it.session.stats().dropped == 0u);
    });
}

BOOST_AUTO_TEST_CASE(slow_statement_is_no_silence)
{
    auto settings = session_settings();
    settings.keepalive_interval = 1ms;
    settings.keepalive_timeout = 1ms;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        client it(executor, settings);
        co_await it.hold();
        auto const slow = it.stop_here();
        it.start();
        co_await it.until_sent(1);
        auto const losses = it.session.stats().losses;
        for (int i = 0; i < 20; ++i) co_await it.other.query("select pg_sleep(0.001)");
        BOOST_TEST(it.session.in_flight() == 1u);
        BOOST_TEST(it.session.stats().losses == losses);
        co_await it.release();
        co_await it.until_ended(slow);
        BOOST_TEST(!slow->failure);
        co_await it.end();
    });
}

// No caller waits any more, and nothing tells whether the server is still there.
BOOST_AUTO_TEST_CASE(peer_that_is_silent_about_calls_that_all_gave_up_is_left)
{
    proxy between(cluster::shared().port());
    auto settings = session_settings(between.dsn());
    settings.keepalive_interval = 50ms;
    settings.keepalive_timeout = 100ms;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.hold();
        auto const slow = it.stop_here();
        for (bool waits = false; !waits || it.session.in_flight() != 1;) {
            auto const locks =
                co_await it.other.query("select from pg_locks where locktype = 'advisory' and not granted");
            waits = locks.size() == 1;
        }
        auto const queued = it.begin("select 1");
        co_await it.until_sent(2);
        between.stall();
        slow->cancel.emit(asio::cancellation_type::terminal);
        queued->cancel.emit(asio::cancellation_type::terminal);
        auto const noticed = [&] { return it.session.stats().losses == 1; };
        co_await it.until(noticed);
        BOOST_TEST(queued->failed_by(asio::error::operation_aborted));
        between.pass();
        co_await it.release();
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().connects == 2u);
    });
    BOOST_TEST(log->contain("no answer to calls that were given up"));
}

BOOST_AUTO_TEST_CASE(answer_that_nobody_waits_for_is_no_silence_while_it_comes)
{
    auto settings = session_settings();
    settings.keepalive_interval = 500ms;
    settings.keepalive_timeout = 500ms;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.check_usable();
        auto const long_one =
            it.begin("select repeat('x', 10000), pg_sleep(0.005) from generate_series(1, 300)");  // 1.5 s
        co_await it.until_sent(1);
        long_one->cancel.emit(asio::cancellation_type::terminal);
        auto const over = [&] { return it.session.stats().dropped == 1; };
        co_await it.until(over);
        BOOST_TEST(it.session.stats().losses == 0u);
        co_await it.check_usable();
    });
}

BOOST_AUTO_TEST_CASE(half_closed_while_idle_is_made_again)
{
    proxy between(cluster::shared().port());
    with_client(session_settings(between.dsn()), [&](client& it) -> asio::awaitable<void> {
        co_await it.check_usable();
        between.half_close();
        auto const again = [&] { return it.session.stats().connects == 2; };
        co_await it.until(again);
        co_await it.check_usable();
    });
}

BOOST_AUTO_TEST_CASE(deadlines_pass_while_all_is_stalled_and_the_connection_outlives_them)
{
    proxy between(cluster::shared().port());
    auto settings = session_settings(between.dsn());
    settings.max_in_flight = 10;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.check_usable();
        between.stall();
        std::vector<client::call> calls;
        for (int i = 0; i < 100; ++i) {
            auto const soon = std::chrono::steady_clock::now() + std::chrono::milliseconds{20 + i % 7};
            calls.push_back(it.begin(it.session.query(soon, "select $1::int", i)));
        }
        for (auto const& call : calls) {
            co_await it.until_ended(call);
            BOOST_TEST(call->failed_by(db::errc::timed_out));
        }
        BOOST_TEST(it.session.queued() == 0u);
        BOOST_TEST(it.session.in_flight() == 10u);
        between.pass();
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().withdrawn == 90u);
        BOOST_TEST(it.session.stats().dropped == 10u);
        BOOST_TEST(it.session.stats().connects == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
