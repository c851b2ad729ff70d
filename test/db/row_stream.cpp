#include <pgtally/test/db/with_connection.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_row_stream, db_fixture)

namespace {

using number = std::tuple<std::int64_t>;
constexpr char const* without_end = "select generate_series(1, 1000000000000)";

// A connection that must be usable after the test.
template <class Body>
void with_usable(db::config settings, Body body)
{
    with_connection(std::move(settings), [&](db::connection& conn) -> asio::awaitable<void> {
        co_await body(conn);
        co_await check_usable(conn);
    });
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_rows_come_in_order)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>("select i from generate_series(1, $1::bigint) i", 100'000);
        std::int64_t expected = 0;
        for (;;) {
            auto const next = co_await rows.next();
            if (!next) break;
            BOOST_REQUIRE(std::get<0>(*next) == ++expected);
        }
        BOOST_TEST(expected == 100'000);
        // The end is returned again, and the connection is free although the stream exists.
        auto const after = co_await rows.next();
        BOOST_TEST(!after);
        BOOST_TEST(conn.is_idle());
    });
}

BOOST_AUTO_TEST_CASE(rows_come_before_the_statement_has_ended)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection holder(executor);
        db::connection conn(executor);
        co_await holder.connect(settings());
        co_await conn.connect(settings());
        co_await holder.query("select pg_advisory_lock(77)");
        using row = std::tuple<std::string_view, std::optional<std::string>>;
        auto rows = co_await conn.stream_as<row>(
            "select repeat('x', 20000), case when i > 3 then pg_advisory_xact_lock(77)::text end "
            "from generate_series(1, 5) i");
        auto const first = co_await rows.next();  // it arrives while the statement waits
        BOOST_REQUIRE(first.has_value());
        BOOST_TEST(std::get<0>(*first).size() == 20'000u);
        co_await holder.query("select pg_advisory_unlock(77)");
        int more = 0;
        for (;;) {
            auto const next = co_await rows.next();
            if (!next) break;
            ++more;
        }
        BOOST_TEST(more == 4);
    });
}

BOOST_AUTO_TEST_CASE(left_in_the_middle_the_statement_is_stopped)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto const pid = conn.backend_pid();
        {
            auto rows = co_await conn.stream_as<number>(without_end);
            auto const first = co_await rows.next();
            BOOST_TEST(std::get<0>(first.value()) == 1);
            auto const refused = co_await failure_of(conn.query("select 1"));
            BOOST_TEST((refused.code() == db::errc::busy));
        }
        BOOST_TEST(conn.is_open());
        co_await conn.query("select 1");
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(error_comes_after_the_rows_before_it)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>("select 1 / (1000 - i) from generate_series(1::bigint, 2000) i");
        int count = 0;
        std::optional<db::error> failure;
        while (!failure) {
            try {
                auto const next = co_await rows.next();
                BOOST_REQUIRE(next.has_value());
                ++count;
            } catch (db::error const& caught) {
                failure = caught;
            }
        }
        BOOST_TEST(count == 999);
        BOOST_TEST(failure->state().is("22012"));
        BOOST_TEST(conn.is_idle());
    });
}

BOOST_AUTO_TEST_CASE(statement_that_cannot_be_run)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>("select nothing");
        auto const failure = co_await failure_of(rows.next());
        BOOST_TEST(failure.state().is("42703"));
        auto const unsendable = co_await failure_of(conn.stream_as<number>("select $1", std::string("a\0b", 3)));
        BOOST_TEST((unsendable.code() == db::errc::bad_parameter));
    });
}

BOOST_AUTO_TEST_CASE(no_rows_have_columns_too)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        {
            auto rows = co_await conn.stream_as<number>("select 1::bigint where false");
            auto const none = co_await rows.next();
            BOOST_TEST(!none);
        }
        auto wrong = co_await conn.stream_as<number>("select 'text' where false");
        auto const failure = co_await failure_of(wrong.next());
        BOOST_TEST((failure.code() == db::errc::bad_result));
    });
}

BOOST_AUTO_TEST_CASE(null_that_the_row_does_not_take)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>("select nullif(i, 2) from generate_series(1::bigint, 100000) i");
        co_await rows.next();
        auto const failure = co_await failure_of(rows.next());
        BOOST_TEST((failure.code() == db::errc::bad_result));
        rows = db::row_stream<number>();
    });
}

BOOST_AUTO_TEST_CASE(deadline_is_for_each_row)
{
    auto hasty = settings();
    hasty.query_timeout = 100ms;
    with_usable(hasty, [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>(
            "select i from generate_series(1::bigint, 10) i where i < 5 or pg_sleep(1000)::text is not null");
        std::optional<db::error> failure;
        while (!failure) {
            try {
                auto const next = co_await rows.next();
                BOOST_REQUIRE(next.has_value());
            } catch (db::error const& caught) {
                failure = caught;
            }
        }
        BOOST_TEST((failure->code() == db::errc::timed_out));
        auto const over = co_await failure_of(rows.next());
        BOOST_TEST((over.code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(connection_may_end_before_its_stream)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::row_stream<number> rows;
        {
            db::connection conn(executor);
            co_await conn.connect(settings());
            rows = co_await conn.stream_as<number>(without_end);
        }
        auto const closed = co_await failure_of(rows.next());
        BOOST_TEST((closed.code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(one_step_at_a_time)
{
    with_usable(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto rows = co_await conn.stream_as<number>("select 1::bigint from pg_sleep(0.05)");
        bool ended = false;
        auto first = [&]() -> asio::awaitable<void> {
            auto const row = co_await rows.next();
            BOOST_TEST(row.has_value());
            ended = true;
        };
        spawn(conn.executor(), first());
        co_await asio::post(conn.executor(), asio::use_awaitable);
        auto const refused = co_await failure_of(rows.next());
        BOOST_TEST((refused.code() == db::errc::busy));
        while (!ended) co_await asio::post(conn.executor(), asio::use_awaitable);
        auto const end = co_await rows.next();
        BOOST_TEST(!end);
    });
}

BOOST_AUTO_TEST_SUITE_END()
