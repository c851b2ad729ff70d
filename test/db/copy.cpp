#include <pgtally/test/db/with_connection.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_copy, db_fixture)

namespace {

// A connection with its own table, which must be usable after the test.
template <class Body>
void with_table(db::config settings, Body body)
{
    with_connection(std::move(settings), [&](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.script("create temp table t (i bigint, note text)");
        co_await body(conn);
        co_await check_usable(conn);
    });
}

asio::awaitable<std::int64_t> count(db::connection& conn)
{
    auto const rows = co_await conn.query_as<std::tuple<std::int64_t>>("select count(*) from t");
    auto const [number] = rows.one();
    co_return number;
}

asio::awaitable<std::string> read_all(db::copy_out& from)
{
    std::string all;
    for (;;) {
        auto const chunk = co_await from.read();
        if (chunk.empty()) break;
        all += chunk;
    }
    co_return all;
}

std::string lines(int rows)
{
    std::string text;
    for (int i = 1; i <= rows; ++i) text += std::to_string(i) + "\tnote " + std::to_string(i) + "\n";
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(in_and_out_are_the_same)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto const text = lines(100'000);
        auto in = co_await conn.copy_in("copy t from stdin");
        std::size_t size = 1;  // cut anywhere
        for (std::size_t at = 0; at < text.size(); at += size, size = size * 3 % 10'007 + 1)
            co_await in.write(std::string_view(text).substr(at, size));
        auto const rows = co_await in.finish();
        BOOST_TEST(rows == 100'000u);
        BOOST_TEST(conn.is_idle());

        auto out = co_await conn.copy_out("copy (select * from t order by i) to stdout");
        auto const back = co_await read_all(out);
        BOOST_TEST((back == text));
        BOOST_TEST(out.rows() == 100'000u);
        BOOST_TEST(conn.is_idle());
        auto const after = co_await out.read();
        BOOST_TEST(after.empty());
    });
}

BOOST_AUTO_TEST_CASE(binary_passes_as_it_is)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto out = co_await conn.copy_out(
            "copy (select i, repeat(chr(255), i::int) from generate_series(1::bigint, 300) i) to stdout (format "
            "binary)");
        auto const bytes = co_await read_all(out);
        auto in = co_await conn.copy_in("copy t from stdin (format binary)");
        co_await in.write(bytes);
        auto const rows = co_await in.finish();
        BOOST_TEST(rows == 300u);
        auto const sums = co_await conn.query("select sum(i), sum(length(note)) from t");
        BOOST_TEST(sums.text(0, 0) == "45150");
        BOOST_TEST(sums.text(0, 1) == "45150");
    });
}

BOOST_AUTO_TEST_CASE(nothing_is_copied_too)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto in = co_await conn.copy_in("copy t from stdin");
        auto const rows = co_await in.finish();
        BOOST_TEST(rows == 0u);
        auto const over = co_await failure_of(in.write("1\tx\n"));
        BOOST_TEST((over.code() == db::errc::closed));
        auto out = co_await conn.copy_out("copy t to stdout");
        auto const none = co_await out.read();
        BOOST_TEST(none.empty());
    });
}

BOOST_AUTO_TEST_CASE(bad_data_is_told_at_the_end)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto in = co_await conn.copy_in("copy t from stdin");
        auto const good = lines(50'000);
        co_await in.write("1\tx\nnot a number\ty\n");
        co_await in.write(good);
        auto const refused = co_await failure_of(in.finish());
        BOOST_TEST((refused.code() == db::errc::server_error));
        BOOST_TEST(refused.state().is("22P02"));
        auto const rows = co_await count(conn);
        BOOST_TEST(rows == 0);
    });
}

BOOST_AUTO_TEST_CASE(error_after_some_rows_out)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto out = co_await conn.copy_out("copy (select 1 / (50000 - i) from generate_series(1, 60000) i) to stdout");
        auto const failure = co_await failure_of(read_all(out));
        BOOST_TEST(failure.state().is("22012"));
        BOOST_TEST(conn.is_idle());
    });
}

BOOST_AUTO_TEST_CASE(statement_that_does_not_copy_so)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto const unknown = co_await failure_of(conn.copy_in("copy nowhere from stdin"));
        BOOST_TEST(unknown.state().is("42P01"));
        auto const select = co_await failure_of(conn.copy_in("select 1"));
        BOOST_TEST((select.code() == db::errc::bad_result));
        BOOST_TEST(mentions(select.what(), "COPY ... FROM STDIN"));
        auto const out = co_await failure_of(conn.copy_in("copy (select from generate_series(1, 1000000)) to stdout"));
        BOOST_TEST((out.code() == db::errc::bad_result));
        auto const in = co_await failure_of(conn.copy_out("copy t from stdin"));
        BOOST_TEST((in.code() == db::errc::bad_result));
        BOOST_TEST(mentions(in.what(), "COPY ... TO STDOUT"));
    });
}

BOOST_AUTO_TEST_CASE(what_follows_the_copy_is_part_of_it)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto in = co_await conn.copy_in("copy t from stdin; select 1 / 0");
        co_await in.write("1\tx\n");
        auto const failure = co_await failure_of(in.finish());
        BOOST_TEST(failure.state().is("22012"));
        auto const rows = co_await count(conn);
        BOOST_TEST(rows == 0);
        auto out = co_await conn.copy_out("copy (select 1) to stdout; copy (select 2) to stdout");
        auto const refused = co_await failure_of(read_all(out));
        BOOST_TEST((refused.code() == db::errc::bad_result));
    });
}

BOOST_AUTO_TEST_CASE(left_or_taken_back_no_row_stays)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto const pid = conn.backend_pid();
        {
            auto in = co_await conn.copy_in("copy t from stdin");
            co_await in.write("1\tx\n");
            auto const refused = co_await failure_of(conn.query("select 1"));
            BOOST_TEST((refused.code() == db::errc::busy));
        }
        auto const left = co_await count(conn);
        BOOST_TEST(left == 0);
        auto in = co_await conn.copy_in("copy t from stdin");
        auto const much = lines(10'000);
        co_await in.write(much);
        co_await in.abandon("changed its mind");
        auto const taken_back = co_await count(conn);
        BOOST_TEST(taken_back == 0);
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(left_in_the_middle_of_reading)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        auto const pid = conn.backend_pid();
        {
            auto out = co_await conn.copy_out("copy (select generate_series(1, 1000000000000)) to stdout");
            auto const chunk = co_await out.read();
            BOOST_TEST(chunk.starts_with("1\n2\n3\n"));
            BOOST_TEST(out.rows() == 0u);
        }
        co_await conn.query("select 1");
        BOOST_TEST((conn.backend_pid() == pid));
    });
}

BOOST_AUTO_TEST_CASE(part_of_a_transaction)
{
    with_table(settings(), [&](db::connection& conn) -> asio::awaitable<void> {
        co_await conn.query("begin");
        auto in = co_await conn.copy_in("copy t from stdin");
        co_await in.write("1\tx\n");
        co_await in.finish();
        co_await conn.query("rollback");
        auto const rows = co_await count(conn);
        BOOST_TEST(rows == 0);
    });
}

BOOST_AUTO_TEST_CASE(deadline_of_the_lock_it_waits_for)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection holder(executor);
        db::connection conn(executor);
        co_await holder.connect(settings());
        co_await conn.connect(settings());
        co_await holder.script("create table copied (i int)");
        co_await holder.script("begin; lock table copied");
        conn.set_timeout(100ms);
        auto const late = co_await failure_of(conn.copy_in("copy copied from stdin"));
        BOOST_TEST((late.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
        co_await conn.query("select 1");
        co_await holder.script("rollback; drop table copied");
    });
}

// If the server reads more slowly than the caller writes, the caller waits and no data piles up.
BOOST_AUTO_TEST_CASE(writer_waits_for_a_server_that_does_not_read)
{
    proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(between.dsn()));
        co_await conn.script("create temp table t (i bigint, note text)");
        auto in = co_await conn.copy_in("copy t from stdin");
        between.stall();
        conn.set_timeout(200ms);
        auto const some = lines(5'000);
        std::size_t written = 0;
        std::optional<db::error> failure;
        while (!failure && written < 100'000'000) {
            try {
                co_await in.write(some);
                written += some.size();
            } catch (db::error const& caught) {
                failure = caught;
            }
        }
        BOOST_REQUIRE(failure.has_value());
        BOOST_TEST((failure->code() == db::errc::timed_out));
        BOOST_TEST(written < 30'000'000u);  // the capacity of the sockets, and a chunk
        between.pass();
        conn.set_timeout(0ms);
        auto const rows = co_await count(conn);
        BOOST_TEST(rows == 0);
    });
}

BOOST_AUTO_TEST_SUITE_END()
