// How calls of a session end early: by cancellation or by deadline.

#include <pgtally/test/db/client.hpp>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_session_end, session_fixture)

namespace {

constexpr auto aborted = asio::error::operation_aborted;

db::session::time_point in(std::chrono::milliseconds time)
{
    return std::chrono::steady_clock::now() + time;
}

}  // namespace

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

BOOST_AUTO_TEST_SUITE_END()
