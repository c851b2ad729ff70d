// What a listener hears, and what it does after a lost connection.

#include <pgtally/test/db/subject.hpp>

#include <stdexcept>

using namespace std::chrono_literals;
using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_listener, db_fixture)

BOOST_AUTO_TEST_CASE(channels_are_checked)
{
    asio::io_context context;
    auto const make = [&](std::vector<std::string> channels) {
        db::listener const made(context.get_executor(), settings(), std::move(channels));
    };
    BOOST_CHECK_THROW(make({}), std::invalid_argument);
    BOOST_CHECK_THROW(make({"one", ""}), std::invalid_argument);
    BOOST_CHECK_THROW(make({std::string(64, 'x')}), std::invalid_argument);
    BOOST_CHECK_THROW(make({std::string("a\0b", 3)}), std::invalid_argument);
    BOOST_CHECK_NO_THROW(make({std::string(63, 'x')}));
}

BOOST_AUTO_TEST_CASE(events_come_in_order_after_listening)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, settings());
        BOOST_TEST(!it.listener.is_listening());
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        BOOST_TEST(it.listener.is_listening());
        notify("notify one, 'a'; notify two, 'b'; notify one; notify elsewhere, 'c'; notify one, 'd'");
        for (auto const* const wanted : {"one:a", "two:b", "one:", "one:d"}) BOOST_TEST((co_await it.next()) == wanted);
        BOOST_TEST(it.listener.counters().notifications == 4u);
        BOOST_TEST(it.listener.counters().payload_bytes == 3u);
        BOOST_TEST(it.listener.counters().connects == 1u);
        it.listener.stop();
        BOOST_TEST((co_await it.next()) == "stopped");
        co_await it.until_run_ended();
    });
    BOOST_TEST(log->contain("listening"));
}

BOOST_AUTO_TEST_CASE(channels_are_taken_literally)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, settings(), {"Mixed", "with \"quotes\"; and more", "\u00e4"});
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        notify(
            "notify mixed, 'no'; notify \"Mixed\", '1';"
            "select pg_notify('with \"quotes\"; and more', '2'), pg_notify('\u00e4', '3')");
        BOOST_TEST((co_await it.next()) == "Mixed:1");
        BOOST_TEST((co_await it.next()) == "with \"quotes\"; and more:2");
        BOOST_TEST((co_await it.next()) == "\u00e4:3");
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(sender_is_told)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        db::listener listener(executor, settings(), {"one"});
        spawn(executor, listener.run());
        co_await listener.next();
        co_await conn.query("notify one, 'mine'");
        auto const events = co_await listener.next();
        BOOST_TEST((std::get<db::notification>(events[0]).sender == conn.backend_pid()));
        listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(nothing_is_missing_of_very_many)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener_limits limits;
        limits.max_queued = 1'000'000;
        db::listener listener(executor, settings(), {"one"}, limits);
        spawn(executor, listener.run());
        co_await listener.next();
        db::connection conn(executor);
        co_await conn.connect(settings());
        constexpr int transactions = 20, each = 10'000;
        bool sent = false;
        auto send = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < transactions; ++i)
                co_await conn.query("select pg_notify('one', $1 || '/' || j) from generate_series(1, $2) j", i, each);
            sent = true;
        };
        spawn(executor, send());
        int count = 0;
        while (count < transactions * each) {
            for (auto const& event : co_await listener.next()) {
                auto const wanted = std::to_string(count / each) + "/" + std::to_string(count % each + 1);
                BOOST_REQUIRE(std::get<db::notification>(event).payload == wanted);
                ++count;
            }
        }
        while (!sent) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(listener.counters().overflows == 0u);
        BOOST_TEST(listener.counters().batches < static_cast<unsigned>(count));
        listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(queue_that_overflows_asks_to_load_again)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener_limits limits;
        limits.max_queued = 1000;
        db::listener listener(executor, settings(), {"one"}, limits);
        spawn(executor, listener.run());
        auto const first = co_await listener.next();
        auto const generation = std::get<db::listening>(first[0]).generation;
        notify("select pg_notify('one', i::text) from generate_series(1, 10500) i");
        while (listener.counters().notifications < 10'500) {
            co_await asio::post(executor, asio::use_awaitable);
        }
        auto const events = co_await listener.next();
        BOOST_REQUIRE(events.size() <= 1000u);
        BOOST_TEST(std::get<db::listening>(events[0]).generation > generation);
        for (std::size_t i = 1; i < events.size(); ++i) {
            auto const wanted = std::to_string(10'500 - events.size() + 1 + i);
            BOOST_REQUIRE(std::get<db::notification>(events[i]).payload == wanted);
        }
        BOOST_TEST(listener.counters().overflows >= 1u);
        BOOST_TEST(listener.is_listening());
        listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(terminated_backend_is_lost_then_listening_again)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, hurried(settings()));
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        for (int i = 0; i < 3; ++i) {
            notify("select pg_terminate_backend(" + pid_of(it.listener) + ")");
            auto const lost = co_await it.next();
            BOOST_TEST(mentions(lost, "terminating connection due to administrator command (57P01)"));
            BOOST_TEST((co_await it.next()) == "+");
            notify("notify one, 'back'");
            BOOST_TEST((co_await it.next()) == "one:back");
        }
        BOOST_TEST(it.listener.counters().connects == 4u);
        BOOST_TEST(it.listener.counters().losses == 3u);
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(server_that_is_away_is_waited_for)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, hurried(settings()));
        cluster::shared().stop();
        it.start();
        BOOST_TEST(mentions(co_await it.next(), "Connection refused"));
        while (it.listener.counters().connect_failures < 5) co_await asio::post(executor, asio::use_awaitable);
        cluster::shared().start();
        // The reason may have changed meanwhile ("the database system is starting up").
        co_await it.until("+");
        cluster::shared().stop(cluster::how::immediate);
        BOOST_TEST(mentions(co_await it.next(), "57P01"));
        cluster::shared().start();
        co_await it.until("+");
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(same_reason_is_told_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener listener(executor, hurried(settings(cluster::shared().dsn("nowhere"))), {"one"});
        spawn(executor, listener.run());
        auto const events = co_await listener.next();
        BOOST_REQUIRE(events.size() == 1u);
        auto const& lost = std::get<db::lost>(events[0]);
        BOOST_TEST(lost.permanent);
        BOOST_TEST(lost.state.is("3D000"));
        while (listener.counters().connect_failures < 5) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(listener.counters().batches == 1u);
        auto const logged = log->lines.size();
        BOOST_TEST(logged == 1u);
        BOOST_TEST((log->lines[0].first == db::level::error));
        cluster::shared().sql("create database nowhere");
        auto const after = co_await listener.next();
        BOOST_TEST(std::holds_alternative<db::listening>(after[0]));
        listener.stop();
    });
    cluster::shared().sql("drop database nowhere (force)");
}

BOOST_AUTO_TEST_CASE(reconnect_makes_a_new_connection_at_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto patient = settings();
        patient.retry.first = std::chrono::minutes{10};  // a pause would hang the test
        patient.retry.cap = std::chrono::minutes{10};
        subject it(executor, patient);
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        auto const pid = it.listener.backend_pid();
        it.listener.reconnect("no heartbeat");
        it.listener.reconnect("no heartbeat at all");
        BOOST_TEST((co_await it.next()) == "!no heartbeat at all");
        BOOST_TEST((co_await it.next()) == "+");
        BOOST_TEST((it.listener.backend_pid() != pid));
        notify("notify one, 'back'");
        BOOST_TEST((co_await it.next()) == "one:back");
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_pause_can_be_ended)
{
    using end_of_pause = void (*)(db::listener&);
    end_of_pause const ends[] = {[](db::listener& of) { of.reconnect("now"); },
                                 [](db::listener& of) { of.retry_now(); }};
    for (auto const end : ends) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            auto patient = settings(cluster::shared().dsn("not_yet"));
            patient.retry.first = std::chrono::minutes{10};
            patient.retry.cap = std::chrono::minutes{10};
            subject it(executor, patient);
            it.start();
            BOOST_TEST(mentions(co_await it.next(), "not_yet"));
            cluster::shared().sql("create database not_yet");
            end(it.listener);
            BOOST_TEST((co_await it.next()) == "+");
            it.listener.stop();
            co_await it.until_run_ended();
        });
        cluster::shared().sql("drop database not_yet (force)");
    }
}

BOOST_AUTO_TEST_CASE(retry_now_leaves_a_connection)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, settings());
        it.listener.retry_now();  // not running yet
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        auto const pid = it.listener.backend_pid();
        it.listener.retry_now();
        notify("notify one, 'here'");
        BOOST_TEST((co_await it.next()) == "one:here");
        BOOST_TEST((it.listener.backend_pid() == pid));
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(keep_alive_notices_a_silent_peer)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener_limits limits;
        limits.keepalive_interval = 20ms;
        limits.keepalive_timeout = 300ms;
        auto hasty = hurried(settings(between.dsn()));
        hasty.connect_timeout = 300ms;
        subject it(executor, hasty, {"one"}, limits);
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        while (it.listener.counters().keepalives < 3) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(it.listener.counters().connects == 1u);  // it answers: nothing happens
        notify("notify one, 'a'");
        BOOST_TEST((co_await it.next()) == "one:a");
        between.stall();
        BOOST_TEST(mentions(co_await it.next(), "took too long"));
        between.pass();
        co_await it.until("+");
        notify("notify one, 'b'");
        BOOST_TEST((co_await it.next()) == "one:b");
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(notification_during_keep_alive_is_not_lost)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener_limits limits;
        limits.keepalive_interval = 1ms;
        subject it(executor, settings(), {"one"}, limits);
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        db::connection conn(executor);
        co_await conn.connect(settings());
        for (int i = 0; i < 300; ++i) {
            co_await conn.query("select pg_notify('one', $1)", i);
            BOOST_REQUIRE((co_await it.next()) == "one:" + std::to_string(i));
        }
        while (it.listener.counters().keepalives < 5) co_await asio::post(executor, asio::use_awaitable);
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(cut_and_half_closed_sockets_are_noticed)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        subject it(executor, hurried(settings(between.dsn())));
        it.start();
        BOOST_TEST((co_await it.next()) == "+");
        between.cut();
        BOOST_TEST((co_await it.next()).front() == '!');
        BOOST_TEST((co_await it.next()) == "+");
        between.half_close();
        BOOST_TEST((co_await it.next()).front() == '!');
        BOOST_TEST((co_await it.next()) == "+");
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(on_connect_that_fails_is_told)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto broken = settings();
        broken.on_connect = {"set no_such_setting = 1"};
        subject it(executor, broken);
        it.start();
        BOOST_TEST(mentions(co_await it.next(), "no_such_setting"));
        it.listener.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
