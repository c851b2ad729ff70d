#include <pgtally/test/db/transaction.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <stdexcept>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_transaction, transaction_fixture)

BOOST_AUTO_TEST_CASE(statement_says_what_was_asked_for)
{
    db::transaction_options options;
    BOOST_TEST(db::detail::begin_statement(options) == "begin");
    options.level = db::isolation::read_committed;
    options.mode = db::access::read_write;
    BOOST_TEST(db::detail::begin_statement(options) == "begin isolation level read committed read write");
    options.level = db::isolation::serializable;
    options.mode = db::access::read_only;
    options.deferrable = true;
    BOOST_TEST(db::detail::begin_statement(options) == "begin isolation level serializable read only deferrable");
}

BOOST_AUTO_TEST_CASE(server_sees_the_options)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        using pair = std::pair<db::isolation, std::string>;
        std::vector<pair> const levels{{db::isolation::server_default, "read committed"},
                                       {db::isolation::read_committed, "read committed"},
                                       {db::isolation::repeatable_read, "repeatable read"},
                                       {db::isolation::serializable, "serializable"}};
        for (auto const& [level, name] : levels) {
            db::transaction_options options;
            options.level = level;
            auto tx = co_await db::begin(conn, options);
            auto const seen = co_await show(tx, "transaction_isolation");
            BOOST_TEST(seen == name);
            BOOST_TEST(conn.in_transaction());
            co_await tx.commit();
            BOOST_TEST(!tx.is_open());
        }
        db::transaction_options snapshot;
        snapshot.level = db::isolation::serializable;
        snapshot.mode = db::access::read_only;
        snapshot.deferrable = true;
        auto tx = co_await db::begin(conn, snapshot);
        auto const deferrable = co_await show(tx, "transaction_deferrable");
        BOOST_TEST(deferrable == "on");
        auto const refused = co_await failure_of(tx.query("insert into t values (1)"));
        BOOST_TEST(refused.state().is("25006"));
        co_await tx.rollback();
        co_await tx.rollback();
        BOOST_TEST(!conn.in_transaction());
        // A server with other defaults.
        co_await conn.query("set default_transaction_read_only = on");
        db::transaction_options writing;
        writing.mode = db::access::read_write;
        auto second = co_await db::begin(conn, writing);
        co_await second.query("insert into t values (2)");
        co_await second.commit();
        BOOST_TEST(in_table() == "2");
    });
}

BOOST_AUTO_TEST_CASE(commit_keeps_and_rollback_and_destruction_undo)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const pid = conn.backend_pid();
        {
            auto tx = co_await db::begin(conn);
            co_await tx.query("insert into t values ($1)", 1);
            co_await tx.commit();
        }
        {
            auto tx = co_await db::begin(conn);
            co_await tx.query("insert into t values ($1)", 2);
            co_await tx.rollback();
            BOOST_TEST(!conn.in_transaction());
        }
        {
            auto tx = co_await db::begin(conn);
            co_await tx.script("insert into t values (3)");
        }
        BOOST_TEST(conn.in_transaction());
        // The next operation waits for the rollback.
        auto const rows = co_await conn.query_as<std::tuple<std::int32_t>>("select id from t");
        BOOST_TEST(std::get<0>(rows.one()) == 1);
        BOOST_TEST(!conn.in_transaction());
        BOOST_TEST((conn.backend_pid() == pid));
        BOOST_TEST(!log->contain("no transaction in progress"));
    });
}

BOOST_AUTO_TEST_CASE(whatever_comes_next_waits_for_a_transaction_being_left)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const leave = [&]() -> asio::awaitable<void> {
            auto tx = co_await db::begin(conn);
            co_await tx.query("insert into t values (1)");
        };
        co_await leave();
        auto second = co_await db::begin(conn);
        co_await second.rollback();
        co_await leave();
        co_await conn.script("insert into t values (2)");
        co_await leave();
        // One operation waits; another one is refused, as always.
        beside waiting;
        waiting.start(executor, conn.settled());
        co_await asio::post(executor, asio::use_awaitable);
        if (!waiting.ended) {
            auto const busy = co_await failure_of(conn.query("select 1"));
            BOOST_TEST((busy.code() == db::errc::busy));
        }
        co_await until(executor, waiting.ended);
        BOOST_TEST(!waiting.failure);
        BOOST_TEST(!conn.in_transaction());
        co_await leave();
        co_await conn.connect(settings());
        BOOST_TEST(!conn.in_transaction());
        co_await leave();
        conn.close();
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((closed.code() == db::errc::closed));
        BOOST_TEST(in_table() == "2");
    });
}

BOOST_AUTO_TEST_CASE(transaction_in_a_transaction_is_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        auto const refused = co_await failure_of(db::begin(conn));
        BOOST_TEST(refused.state().is("25001"));
        BOOST_TEST(mentions(refused.what(), "savepoint"));
        co_await tx.query("insert into t values (1)");
        co_await tx.commit();
        auto const twice = co_await failure_of(tx.commit());
        BOOST_TEST(twice.state().is("25P01"));
        BOOST_TEST(in_table() == "1");
    });
}

BOOST_AUTO_TEST_CASE(commit_of_an_aborted_transaction_is_an_error)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        co_await tx.query("insert into t values (1)");
        co_await failure_of(tx.query("select 1/0"));
        auto const failed = co_await failure_of(tx.commit());
        BOOST_TEST((failed.code() == db::errc::server_error));
        BOOST_TEST(failed.state().is("25P02"));
        BOOST_TEST(mentions(failed.what(), "rolled back, because a statement in the transaction had failed"));
        BOOST_TEST(!tx.is_open());
        BOOST_TEST(!conn.in_transaction());
        BOOST_TEST(in_table() == "");
    });
}

BOOST_AUTO_TEST_CASE(transaction_ended_by_a_statement_is_noticed)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        co_await tx.query("rollback");
        auto const failed = co_await failure_of(tx.commit());
        BOOST_TEST(failed.state().is("25P01"));
        co_await tx.rollback();
    });
}

BOOST_AUTO_TEST_CASE(deferred_constraint_fails_at_commit)
{
    cluster::shared().sql("create table u (id int unique deferrable initially deferred)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        co_await tx.query("insert into u values (1), (1)");
        auto const failed = co_await failure_of(tx.commit());
        BOOST_TEST(failed.state().is("23505"));
        BOOST_TEST(!tx.is_open());
        BOOST_TEST(!conn.in_transaction());
        BOOST_TEST(conn.is_open());
        auto const body = [](db::transaction& in) -> asio::awaitable<void> {
            co_await in.query("insert into u values (2), (2)");
        };
        db::transaction_options const plain;
        auto const again = co_await failure_of(db::in_transaction(conn, plain, body));
        BOOST_TEST(again.state().is("23505"));
    });
    cluster::shared().sql("drop table u");
}

BOOST_AUTO_TEST_CASE(cancelled_body_leaves_the_connection_clean)
{
    for (bool const in_statement : {true, false}) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            co_await conn.connect(settings());
            auto const pid = conn.backend_pid();
            bool there = false;
            auto const body = [&](db::transaction& tx) -> asio::awaitable<void> {
                co_await tx.query("insert into t values (1)");
                there = true;
                if (in_statement) co_await tx.query("select pg_sleep(1000)");
                asio::steady_timer timer(executor, 1h);
                co_await timer.async_wait(asio::use_awaitable);
            };
            db::transaction_options const plain;
            db::retry_options retry;
            retry.attempts = 3;
            beside task;
            task.start(executor, db::in_transaction(conn, plain, retry, body));
            co_await until(executor, there);
            task.cancel.emit(asio::cancellation_type::terminal);
            co_await until(executor, task.ended);
            BOOST_TEST((task.code() == asio::error::operation_aborted));
            auto const rows = co_await conn.query("select id from t");
            BOOST_TEST(rows.empty());
            BOOST_TEST(!conn.in_transaction());
            BOOST_TEST((conn.backend_pid() == pid));
        });
    }
}

BOOST_AUTO_TEST_CASE(context_may_end_before_a_transaction)
{
    {
        asio::io_context context;
        db::connection conn(context.get_executor());
        bool there = false;
        auto body = [&]() -> asio::awaitable<void> {
            co_await conn.connect(settings());
            auto tx = co_await db::begin(conn);
            co_await tx.query("insert into t values (1)");
            there = true;
            asio::steady_timer timer(context, 1h);
            co_await timer.async_wait(asio::use_awaitable);
        };
        spawn(context.get_executor(), body());
        while (!there) context.run_one();
    }
    BOOST_TEST(in_table() == "");
}

// The deadline passes while COMMIT runs: whatever its outcome, no later caller finds the transaction open.
BOOST_AUTO_TEST_CASE(late_commit_leaves_no_transaction)
{
    cluster::shared().sql(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1000); return null; end "
        "$$;"
        "create constraint trigger slow after insert on t deferrable initially deferred for each row execute function "
        "slow()");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const pid = conn.backend_pid();
        auto tx = co_await db::begin(conn);
        co_await tx.query("insert into t values (1)");
        conn.set_timeout(100ms);
        auto const late = co_await failure_of(tx.commit());
        BOOST_TEST((late.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
        auto const rows = co_await conn.query("select from t");
        BOOST_TEST(rows.empty());
        BOOST_TEST(!conn.in_transaction());
        BOOST_TEST((conn.backend_pid() == pid));
        BOOST_TEST(!tx.is_open());
    });
    cluster::shared().sql("drop function slow() cascade");
}

// A statement in it timed out: the transaction is rolled back when it is left, and not before.
BOOST_AUTO_TEST_CASE(late_statement_then_rollback)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        conn.set_timeout(100ms);
        co_await failure_of(tx.query("select pg_sleep(1000)"));
        conn.set_timeout(0ms);
        auto const aborted = co_await failure_of(tx.query("select 1"));
        BOOST_TEST(aborted.state().is("25P02"));
        co_await tx.rollback();
        BOOST_TEST(!conn.in_transaction());

        auto other = co_await db::begin(conn);
        conn.set_timeout(100ms);
        co_await failure_of(other.query("select pg_sleep(1000)"));
        conn.set_timeout(0ms);
        co_await other.rollback();  // returns at once, while it recovers
        BOOST_TEST(!conn.in_transaction());
        co_await conn.query("select 1");
    });
}

BOOST_AUTO_TEST_SUITE_END()
