// What a wal_stream does when its connection is lost, or cannot be opened.

#include <pgtally/test/db/wal_subject.hpp>

#include <algorithm>

using namespace std::chrono_literals;
using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

std::string pid_of(db::wal_stream const& of)
{
    return std::to_string(static_cast<int>(of.backend_pid()));
}

// The first event of a stream that cannot be opened.
asio::awaitable<db::lost> refusal(asio::any_io_executor executor, db::config settings,
                                  db::wal_stream_options options = wal_options())
{
    wal_subject it(executor, wal_hurried(std::move(settings)), db::wal_stream_limits(), std::move(options));
    it.start();
    auto const got = co_await it.next();
    BOOST_REQUIRE(got.text.front() == '!');
    auto const again = [&] { return it.stream.counters().connect_failures >= 3; };  // it goes on trying
    co_await it.wait_for(again);
    it.stream.stop();
    co_await it.until_run_ended();
    co_return got.lost;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_wal_stream_loss, wal_fixture)

BOOST_AUTO_TEST_CASE(terminated_sender_is_lost_then_streaming_again)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, wal_hurried(settings()));
        it.start();
        auto first = co_await it.next();
        for (int i = 0; i < 3; ++i) {
            sql("select pg_terminate_backend(" + pid_of(it.stream) + ")");
            auto const lost = co_await it.next();
            BOOST_TEST(lost.text.starts_with("!stream from 127.0.0.1"));
            BOOST_TEST(mentions(lost.text, "terminating connection due to administrator command (57P01)"));
            BOOST_TEST(lost.lost.state.is("57P01"));
            BOOST_TEST(!lost.lost.permanent);
            auto second = co_await it.next();
            BOOST_TEST(second.text == "+");
            BOOST_TEST(second.streaming.slot != first.streaming.slot);
            emit("back");
            BOOST_TEST((co_await it.next_text()) == "back");
            first = second;
        }
        BOOST_TEST(it.stream.counters().connects == 4u);
        BOOST_TEST(it.stream.counters().losses == 3u);
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(server_that_is_away_is_waited_for)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, wal_hurried(settings()));
        cluster::shared().stop();
        it.start();
        BOOST_TEST(mentions(co_await it.next_text(), "Connection refused"));
        auto const failed = [&] { return it.stream.counters().connect_failures >= 5; };
        co_await it.wait_for(failed);
        cluster::shared().start();
        co_await it.until("+");
        cluster::shared().stop(cluster::how::immediate);
        BOOST_TEST((co_await it.next_text()).front() == '!');
        cluster::shared().start();
        co_await it.until("+");
        emit("back");
        BOOST_TEST((co_await it.next_text()) == "back");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(reconnect_makes_a_new_connection_at_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto patient = settings();
        patient.retry.first = patient.retry.cap = 10min;  // a pause would hang the test
        wal_subject it(executor, patient);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        auto const pid = it.stream.backend_pid();
        it.stream.reconnect("no heartbeat");
        it.stream.reconnect("no heartbeat at all");
        BOOST_TEST((co_await it.next_text()) == "!no heartbeat at all");
        BOOST_TEST((co_await it.next_text()) == "+");
        BOOST_TEST((it.stream.backend_pid() != pid));
        emit("back");
        BOOST_TEST((co_await it.next_text()) == "back");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_pause_can_be_ended)
{
    using end_of_pause = void (*)(db::wal_stream&);
    end_of_pause const ends[] = {[](db::wal_stream& of) { of.reconnect("now"); },
                                 [](db::wal_stream& of) { of.retry_now(); }};
    for (auto const end : ends) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            sql("alter publication nothing rename to later");
            auto patient = settings();
            patient.retry.first = patient.retry.cap = 10min;
            wal_subject it(executor, patient);
            it.start();
            BOOST_TEST(mentions(co_await it.next_text(), "publication"));
            sql("alter publication later rename to nothing");
            end(it.stream);
            BOOST_TEST((co_await it.next_text()) == "+");
            it.stream.retry_now();  // leaves a connection
            emit("here");
            BOOST_TEST((co_await it.next_text()) == "here");
            it.stream.stop();
            co_await it.until_run_ended();
        });
    }
}

BOOST_AUTO_TEST_CASE(publication_that_is_missing)
{
    auto const lost_of = [&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto options = wal_options();
        options.publication = "it's missing";
        auto const lost = co_await refusal(executor, settings(), options);
        BOOST_TEST(lost.permanent);
        BOOST_TEST(lost.state.is("42704"));
        BOOST_TEST(mentions(lost.reason, "publication \"it's missing\" does not exist (42704)"));
        BOOST_TEST(mentions(lost.remedy, "create publication"));
    };
    run(lost_of);
    auto const severe = [](auto const& line) { return line.first == db::level::error; };
    BOOST_TEST(std::ranges::count_if(log->lines, severe) == 1);  // the same reason is told once
}

BOOST_AUTO_TEST_CASE(publication_dropped_while_streaming_is_told_by_the_next_row)
{
    if (std::stoi(sql("show server_version_num")) >= 180000) return;  // 18 streams on
    sql("create table row (id int)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, wal_hurried(settings()));
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        sql("drop publication nothing");
        sql("insert into row values (1)");
        auto const lost = co_await it.next();
        BOOST_TEST(mentions(lost.text, "publication \"nothing\" does not exist"));
        BOOST_TEST(lost.lost.permanent);
        sql("create publication nothing");
        co_await it.until("+");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(role_that_may_not_replicate)
{
    cluster::shared().sql("create role reader login");
    auto const lost_of = [&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto as_reader = settings();
        as_reader.conninfo += " user=reader";
        auto const lost = co_await refusal(executor, as_reader);
        BOOST_TEST(lost.permanent);
        BOOST_TEST(lost.state.is("42501"));
        BOOST_TEST((lost.code == db::errc::login_failed));
        BOOST_TEST(mentions(lost.reason, "(42501)"));
        BOOST_TEST(lost.remedy == "let this role replicate: alter role … replication");
        cluster::shared().sql("alter role reader replication");
        wal_subject it(executor, as_reader);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        it.stream.stop();
        co_await it.until_run_ended();
    };
    run(lost_of);
    cluster::shared().sql("drop role reader");
}

BOOST_AUTO_TEST_CASE(database_that_is_missing)
{
    auto const lost_of = [&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const lost = co_await refusal(executor, db_fixture::settings(cluster::shared().dsn("nowhere")));
        BOOST_TEST(lost.permanent);
        BOOST_TEST(lost.state.is("3D000"));
    };
    run(lost_of);
}

BOOST_AUTO_TEST_CASE(on_connect_runs_and_may_fail)
{
    auto const lost_of = [&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto broken = settings();
        broken.on_connect = {"set no_such_setting = 1"};
        auto const lost = co_await refusal(executor, broken);
        BOOST_TEST(mentions(lost.reason, "no_such_setting"));
        BOOST_TEST(!lost.permanent);
    };
    run(lost_of);
}

BOOST_AUTO_TEST_CASE(silence_is_asked_about_and_ends_the_connection)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::wal_stream_limits limits;
        limits.status_interval = 10s;
        limits.keepalive_interval = 20ms;
        limits.keepalive_timeout = 300ms;
        auto hasty = wal_hurried(db_fixture::settings(between.dsn() + " dbname=" + database));
        hasty.connect_timeout = 300ms;
        wal_subject it(executor, hasty, limits);
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        auto const asked = [&] { return it.stream.counters().keepalives >= 3; };
        co_await it.wait_for(asked);
        BOOST_TEST(it.stream.counters().connects == 1u);  // it answers: nothing happens
        emit("a");
        BOOST_TEST((co_await it.next_text()) == "a");
        between.stall();
        auto const lost = co_await it.next();
        BOOST_TEST(mentions(lost.text, "the server does not answer"));
        BOOST_TEST((lost.lost.code == db::errc::timed_out));
        between.pass();
        co_await it.until("+");
        emit("b");
        BOOST_TEST((co_await it.next_text()) == "b");
        it.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(cut_and_half_closed_sockets_are_noticed)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, wal_hurried(db_fixture::settings(between.dsn() + " dbname=" + database)));
        it.start();
        BOOST_TEST((co_await it.next_text()) == "+");
        between.cut();
        BOOST_TEST((co_await it.next_text()).front() == '!');
        BOOST_TEST((co_await it.next_text()) == "+");
        between.half_close();
        BOOST_TEST((co_await it.next_text()).front() == '!');
        BOOST_TEST((co_await it.next_text()) == "+");
        it.stream.stop();
    });
}

// The program is stopped for longer than wal_sender_timeout; the server ends the stream.
BOOST_AUTO_TEST_CASE(client_that_is_silent_for_too_long_streams_again)
{
    proxy between(cluster::shared().port());
    sql("alter system set wal_sender_timeout = '500ms'");
    sql("select pg_reload_conf()");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject it(executor, wal_hurried(db_fixture::settings(between.dsn() + " dbname=" + database)));
        it.start();
        auto const first = co_await it.next();
        BOOST_TEST(first.text == "+");
        auto const statuses = it.stream.counters().statuses + 5;
        auto const kept = [&] { return it.stream.counters().statuses >= statuses; };
        co_await it.wait_for(kept);  // a third of the timeout: it is not lost by itself
        BOOST_TEST(it.stream.counters().losses == 0u);
        between.stall();
        auto const of_first =
            "select count(*) from pg_replication_slots where slot_name = '" + first.streaming.slot + "'";
        auto const gone = [&] { return sql(of_first) == "0"; };
        co_await it.wait_for(gone);
        between.pass();
        BOOST_TEST((co_await it.next_text()).front() == '!');
        co_await it.until("+");
        emit("back");
        BOOST_TEST((co_await it.next_text()) == "back");
        it.stream.stop();
    });
    sql("alter system reset wal_sender_timeout");
    sql("select pg_reload_conf()");
}

BOOST_AUTO_TEST_SUITE_END()
