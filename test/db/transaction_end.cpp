// Transactions whose object, statements and connection end in an unusual order.

#include <pgtally/db/pool.hpp>
#include <pgtally/db/transaction.hpp>
#include <pgtally/test/db/transaction.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <optional>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct transaction_end_fixture : db_fixture {
    transaction_end_fixture() { cluster::shared().sql("drop table if exists t; create table t (id int primary key)"); }
    ~transaction_end_fixture() { cluster::shared().sql("drop table t"); }
};

// Runs concurrently with the test; knows whether it has ended, and the error.
struct beside {
    bool ended = false;
    std::optional<db::error> failure{};
};

std::shared_ptr<beside> start(asio::any_io_executor executor, asio::awaitable<db::result_set> operation)
{
    auto const into = std::make_shared<beside>();
    auto follow = [](asio::awaitable<db::result_set> given, std::shared_ptr<beside> how) -> asio::awaitable<void> {
        try {
            co_await std::move(given);
        } catch (db::error const& thrown) {
            how->failure = thrown;
        }
        how->ended = true;
    };
    spawn(executor, follow(std::move(operation), into));
    return into;
}

asio::awaitable<void> until_ended(asio::any_io_executor executor, std::shared_ptr<beside> which)
{
    while (!which->ended) co_await asio::post(executor, asio::use_awaitable);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_transaction_end, transaction_end_fixture)

BOOST_AUTO_TEST_CASE(one_that_was_lost_does_not_touch_the_next_of_its_connection)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto lost = co_await db::begin(conn);
        auto tx = co_await
            [](db::connection& of, db::config again, db::transaction& first) -> asio::awaitable<db::transaction> {
            co_await failure_of(first.query("select pg_terminate_backend(pg_backend_pid())"));
            auto const closed = co_await failure_of(first.query("insert into t values (9)"));
            BOOST_TEST((closed.code() == db::errc::closed));
            co_await of.connect(again);
            co_return co_await db::begin(of);
        }(conn, settings(), lost);
        BOOST_TEST(!lost.is_open());
        BOOST_TEST(tx.is_open());
        co_await tx.query("insert into t values (1)");
        auto const late = co_await failure_of(lost.query("insert into t values (8)"));
        BOOST_TEST(late.state().is("25P01"));
        auto const script = co_await failure_of(lost.script("insert into t values (7)"));
        BOOST_TEST(script.state().is("25P01"));
        auto const commit = co_await failure_of(lost.commit());
        BOOST_TEST(commit.state().is("25P01"));
        bool ran = false;
        auto const body = [&]() -> asio::awaitable<void> {
            ran = true;
            co_return;
        };
        auto const savepoint = co_await failure_of(lost.savepoint(body));
        BOOST_TEST(savepoint.state().is("25P01"));
        BOOST_TEST(!ran);
        lost = std::move(tx);  // which rolls back the transaction that was there
        co_await lost.query("insert into t values (2)");
        co_await lost.commit();
        BOOST_TEST(in_table() == "1,2");
        auto const ended = co_await failure_of(lost.query("insert into t values (6)"));
        BOOST_TEST(ended.state().is("25P01"));
        BOOST_TEST(conn.is_idle());
    });
    BOOST_TEST(in_table() == "1,2");
}

BOOST_AUTO_TEST_CASE(one_that_outlives_its_lease_does_not_touch_the_next_of_its_connection)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::pool_config one;
        one.connection = settings();
        one.max_connections = 1;
        db::pool pool(executor, one);
        auto lease = co_await pool.acquire();
        auto first = std::optional<db::transaction>(co_await db::begin(*lease));
        co_await first->query("insert into t values (9)");
        lease.give_back();
        auto const second = co_await pool.acquire();
        BOOST_TEST(pool.counters().connects == 1u);
        auto const late = co_await failure_of(first->query("insert into t values (8)"));
        BOOST_TEST(late.state().is("25P01"));
        auto tx = co_await db::begin(*second);
        co_await tx.query("insert into t values (1)");
        auto const commit = co_await failure_of(first->commit());
        BOOST_TEST(commit.state().is("25P01"));
        first.reset();
        BOOST_TEST(tx.is_open());
        co_await tx.query("insert into t values (2)");
        co_await tx.commit();
        pool.stop();
    });
    BOOST_TEST(in_table() == "1,2");
}

BOOST_AUTO_TEST_CASE(refused_begin_leaves_the_transaction_of_another_alone)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        auto const insert = start(executor, tx.query("insert into t select 1 from pg_sleep(0.02)"));
        BOOST_TEST(conn.is_busy());
        auto const busy = co_await failure_of(db::begin(conn));
        BOOST_TEST((busy.code() == db::errc::busy));
        co_await until_ended(executor, insert);
        BOOST_TEST(!insert->failure);
        co_await tx.query("insert into t values (2)");
        co_await tx.commit();
    });
    BOOST_TEST(in_table() == "1,2");
}

// The statement waits for a recovery, and its transaction is left meanwhile.
BOOST_AUTO_TEST_CASE(statement_that_waits_does_not_run_without_its_transaction)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        for (bool const by_the_connection : {false, true}) {
            auto tx = std::optional<db::transaction>(co_await db::begin(conn));
            conn.set_timeout(20ms);
            co_await failure_of(tx->query("select pg_sleep(1000)"));
            conn.set_timeout(0ms);
            std::string const sql = "insert into t values (1)";
            auto const insert = start(executor, by_the_connection ? conn.query(sql) : tx->query(sql));
            BOOST_TEST(conn.is_busy());
            tx.reset();
            co_await until_ended(executor, insert);
            BOOST_TEST_REQUIRE(insert->failure.has_value());
            BOOST_TEST((insert->failure->code() == db::errc::server_error));
            BOOST_TEST(insert->failure->state().is("25P01"));
            BOOST_TEST(conn.is_idle());
        }
        co_await conn.query("insert into t values (2)");
    });
    BOOST_TEST(in_table() == "2");
}

BOOST_AUTO_TEST_SUITE_END()
