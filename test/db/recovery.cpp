// A connection works after an operation that was left in the middle.

#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr char const* for_ever = "select pg_sleep(1000)";

// Blocks cancellations for that long.
std::string stubborn(std::string const& seconds)
{
    return "do $$ declare until timestamptz := clock_timestamp() + make_interval(secs => " + seconds +
           "); begin while clock_timestamp() < until loop begin perform pg_sleep(0.01); "
           "exception when query_canceled then null; end; end loop; end $$";
}

asio::awaitable<std::int64_t> answer(db::connection& of)
{
    auto const rows = co_await of.query_as<std::tuple<std::int64_t>>("select 42::bigint");
    auto const [value] = rows.one();
    co_return value;
}

struct recovery_fixture : db_fixture {
    [[nodiscard]] db::config hasty(std::chrono::milliseconds timeout = 100ms) const
    {
        auto result = settings();
        result.query_timeout = timeout;
        return result;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_recovery, recovery_fixture)

BOOST_AUTO_TEST_CASE(deadline_leaves_the_connection_usable)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(hasty());
        auto const pid = conn.backend_pid();
        auto const late = co_await failure_of(conn.query(for_ever));
        BOOST_TEST((late.code() == db::errc::timed_out));
        BOOST_TEST(late.statement() == for_ever);
        BOOST_TEST(!conn.is_idle());
        conn.set_timeout(0ms);
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
        BOOST_TEST((conn.backend_pid() == pid));
        BOOST_TEST(conn.is_idle());
    });
}

BOOST_AUTO_TEST_CASE(deadline_of_a_script_ends_what_follows_too)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        co_await conn.script("create temp table t (i int)");
        conn.set_timeout(100ms);
        auto const late = co_await failure_of(conn.script("select pg_sleep(1000); insert into t values (1)"));
        BOOST_TEST((late.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
        auto const rows = co_await conn.query("select from t");
        BOOST_TEST(rows.empty());
    });
}

BOOST_AUTO_TEST_CASE(cancelled_coroutine_leaves_the_connection_usable)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const pid = conn.backend_pid();
        db::error_code failure;
        bool ended = false;
        auto body = [&]() -> asio::awaitable<void> {
            try {
                co_await conn.query(for_ever);
            } catch (db::error const& caught) {
                failure = caught.code();
            }
            ended = true;
        };
        asio::cancellation_signal cancel;
        auto handler = asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {});
        asio::co_spawn(executor, body(), std::move(handler));
        co_await asio::post(executor, asio::use_awaitable);
        cancel.emit(asio::cancellation_type::terminal);
        while (!ended) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST((failure == asio::error::operation_aborted));
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(deadline_closes_where_no_recovery_is_wanted)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto strict = hasty();
        strict.recovery_timeout = 0ms;
        co_await conn.connect(strict);
        auto const late = co_await failure_of(conn.query(for_ever));
        BOOST_TEST((late.code() == db::errc::timed_out));
        BOOST_TEST(!conn.is_open());
        co_await conn.connect(settings());
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
    });
}

BOOST_AUTO_TEST_CASE(statement_that_does_not_stop_closes_the_connection)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto limited = hasty();
        limited.recovery_timeout = 200ms;
        co_await conn.connect(limited);
        auto const pid = conn.backend_pid();
        auto const late = co_await failure_of(conn.query(stubborn("1000")));
        BOOST_TEST((late.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((closed.code() == db::errc::closed));
        BOOST_TEST(!conn.is_open());
        BOOST_TEST(log->contain("closed: "));
        cluster::shared().sql("select pg_terminate_backend(" + std::to_string(static_cast<int>(pid)) + ")");
    });
}

BOOST_AUTO_TEST_CASE(waiting_for_a_recovery_has_a_deadline_too)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(hasty());
        auto const pid = conn.backend_pid();
        auto const late = co_await failure_of(conn.query(stubborn("0.5")));
        BOOST_TEST((late.code() == db::errc::timed_out));
        auto const late_too = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((late_too.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(server_that_takes_no_other_connection_to_cancel)
{
    cluster::shared().sql("create role recovery_alone login connection limit 1");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto alone = hasty();
        alone.conninfo += " user=recovery_alone";
        alone.recovery_timeout = 300ms;
        co_await conn.connect(alone);
        co_await failure_of(conn.query(for_ever));
        conn.set_timeout(0ms);
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((closed.code() == db::errc::closed));
        BOOST_TEST(log->contain("cannot cancel a statement"));
    });
}

// Statements that end at about the time of their deadline: the cancellation may be too late.
BOOST_AUTO_TEST_CASE(cancellation_never_hits_the_next_statement)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const pid = conn.backend_pid();
        int late = 0;
        for (int i = 0; i < 150; ++i) {
            conn.set_timeout(std::chrono::milliseconds{1 + i % 4});
            try {
                co_await conn.query("select pg_sleep(0.002)");
            } catch (db::error const& caught) {
                BOOST_TEST((caught.code() == db::errc::timed_out));
                ++late;
            }
            conn.set_timeout(0ms);
            auto const value = co_await answer(conn);
            BOOST_TEST(value == 42);
        }
        BOOST_TEST(late > 0);
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(late_statement_aborts_its_transaction_only)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        co_await conn.query("begin");
        conn.set_timeout(100ms);
        co_await failure_of(conn.query(for_ever));
        conn.set_timeout(0ms);
        auto const aborted = co_await failure_of(conn.query("select 1"));
        BOOST_TEST(aborted.state().is("25P02"));
        co_await conn.query("rollback");
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
    });
}

BOOST_AUTO_TEST_CASE(late_while_sending_recovers_when_the_server_reads_again)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(between.dsn()));
        auto const pid = conn.backend_pid();
        between.stall();
        conn.set_timeout(200ms);
        auto const late = co_await failure_of(conn.query("select $1", std::string(50'000'000, 'x')));
        BOOST_TEST((late.code() == db::errc::timed_out));
        between.pass();
        conn.set_timeout(0ms);
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(cancel_ends_the_statement_and_nothing_else)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        conn.cancel();  // no statement runs
        asio::post(executor, [&] {
            conn.cancel();
            conn.cancel();
        });
        auto const cancelled = co_await failure_of(conn.query(for_ever));
        BOOST_TEST((cancelled.code() == db::errc::server_error));
        BOOST_TEST(cancelled.state().is("57014"));
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
    });
}

BOOST_AUTO_TEST_CASE(transaction_that_is_left_is_rolled_back)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        conn.leave_transaction();  // there is none
        BOOST_TEST(conn.is_idle());
        co_await conn.script("create temp table t (i int)");
        co_await conn.script("begin; insert into t values (1)");
        conn.leave_transaction();
        BOOST_TEST(!conn.is_idle());
        auto const rows = co_await conn.query("select from t");
        BOOST_TEST(rows.empty());
        BOOST_TEST(conn.is_idle());

        // While a statement is under way: after it.
        co_await conn.query("begin");
        asio::post(executor, [&] { conn.leave_transaction(); });
        co_await conn.query("insert into t select 1 from pg_sleep(0.01)");
        auto const none = co_await conn.query("select from t");
        BOOST_TEST(none.empty());
        BOOST_TEST(!conn.in_transaction());
    });
}

BOOST_AUTO_TEST_CASE(closed_and_connected_anew_while_it_recovers)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(hasty());
        auto const pid = conn.backend_pid();
        co_await failure_of(conn.query(for_ever));
        conn.close();
        BOOST_TEST(!conn.is_open());
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((closed.code() == db::errc::closed));
        co_await conn.connect(hasty());
        co_await failure_of(conn.query(for_ever));
        co_await conn.connect(settings());  // at once
        BOOST_TEST((conn.backend_pid() != pid));
        auto const value = co_await answer(conn);
        BOOST_TEST(value == 42);
        co_await failure_of(conn.query("select 1/0"));
        BOOST_TEST(conn.is_idle());
    });
}

BOOST_AUTO_TEST_CASE(object_may_end_while_it_recovers)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(hasty());
        co_await failure_of(conn.query(for_ever));
    });
}

BOOST_AUTO_TEST_CASE(context_may_end_while_it_recovers)
{
    bool late = false;
    {
        asio::io_context context;
        db::connection conn(context.get_executor());
        auto body = [&]() -> asio::awaitable<void> {
            co_await conn.connect(hasty());
            co_await failure_of(conn.query(for_ever));
            late = true;
        };
        spawn(context.get_executor(), body());
        while (!late) context.run_one();
    }
    BOOST_TEST(late);
}

BOOST_AUTO_TEST_CASE(copy_by_a_query_is_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        co_await conn.script("create temp table t (i int)");
        for (std::string const sql : {"copy (select 1) to stdout", "copy t from stdin"}) {
            auto const refused = co_await failure_of(conn.query(sql));
            BOOST_TEST((refused.code() == db::errc::bad_result), sql);
            auto const value = co_await answer(conn);
            BOOST_TEST(value == 42);
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
