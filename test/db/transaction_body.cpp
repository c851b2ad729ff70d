// Transactions and savepoints with a body, and repeated transactions.

#include <pgtally/db/detail/retrying.hpp>
#include <pgtally/test/db/transaction.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <stdexcept>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_transaction_body, transaction_fixture)

BOOST_AUTO_TEST_CASE(only_conflicts_are_retried_and_so_often)
{
    db::retry_options options;
    options.attempts = 3;
    db::detail::retrying some(options);
    BOOST_TEST(!some.next(with_state("23505")));
    BOOST_TEST(!some.next(std::make_exception_ptr(std::runtime_error("no"))));
    auto const lost = std::make_exception_ptr(db::error(db::errc::connection_lost, "gone", {}));
    BOOST_TEST(!some.next(lost));
    BOOST_TEST(some.next(with_state("40001")).has_value());
    BOOST_TEST(some.next(with_state("40P01")).has_value());
    BOOST_TEST(!some.next(with_state("40001")));
    options.attempts = 0;
    db::detail::retrying none(options);
    BOOST_TEST(!none.next(with_state("40001")));
}

BOOST_AUTO_TEST_CASE(body_decides_and_its_value_and_exception_come_out)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        db::transaction_options const plain;
        auto const by_transaction = [](db::transaction& tx) -> asio::awaitable<std::string> {
            co_await tx.query("insert into t values (1)");
            co_return "done";
        };
        auto const word = co_await db::in_transaction(conn, plain, by_transaction);
        BOOST_TEST(word == "done");
        auto const by_connection = [](db::connection& given) -> asio::awaitable<int> {
            co_await given.query("insert into t values (2)");
            co_return 7;
        };
        auto const number = co_await db::in_transaction(conn, plain, by_connection);
        BOOST_TEST(number == 7);
        auto const throwing = [](db::transaction& tx) -> asio::awaitable<void> {
            co_await tx.query("insert into t values (3)");
            throw std::out_of_range("mine");
        };
        bool caught = false;
        try {
            co_await db::in_transaction(conn, plain, throwing);
        } catch (std::out_of_range const& mine) {
            caught = std::string_view(mine.what()) == "mine";
        }
        BOOST_TEST(caught);
        BOOST_TEST(!conn.in_transaction());  // also not while it is rolled back
        BOOST_TEST(in_table() == "1,2");
        auto const hiding = [](db::transaction& tx) -> asio::awaitable<void> {
            co_await tx.query("insert into t values (4)");
            co_await failure_of(tx.query("select 1/0"));
        };
        auto const hidden = co_await failure_of(db::in_transaction(conn, plain, hiding));
        BOOST_TEST(hidden.state().is("25P02"));
        BOOST_TEST(in_table() == "1,2");
    });
}

BOOST_AUTO_TEST_CASE(serialization_failures_are_retried_to_success)
{
    cluster::shared().sql("insert into t values (1, 10), (2, 20)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        db::connection other(executor);
        co_await conn.connect(settings());
        co_await other.connect(settings());
        db::transaction_options strict;
        strict.level = db::isolation::serializable;
        int calls = 0;
        int conflicts = 2;
        // Write skew: each transaction reads what the other one writes.
        auto const body = [&](db::transaction& tx) -> asio::awaitable<int> {
            ++calls;
            co_await tx.query("select sum(n) from t");
            if (conflicts-- > 0) {
                auto beside = co_await db::begin(other, strict);
                co_await beside.query("select sum(n) from t");
                co_await beside.query("update t set n = n + 1 where id = 1");
                co_await beside.commit();
            }
            co_await tx.query("update t set n = n + 1 where id = 2");
            co_return calls;
        };
        db::retry_options retry;
        retry.attempts = 3;
        retry.pauses.first = 1ms;
        auto const last = co_await db::in_transaction(conn, strict, retry, body);
        BOOST_TEST(last == 3);
        BOOST_TEST(cluster::shared().sql("select n from t where id = 2") == "21");
        // The limit.
        calls = 0;
        conflicts = 100;
        auto const failed = co_await failure_of(db::in_transaction(conn, strict, retry, body));
        BOOST_TEST(failed.state().is("40001"));
        BOOST_TEST(calls == 3);
        calls = 0;
        auto const at_once = co_await failure_of(db::in_transaction(conn, strict, body));
        BOOST_TEST(at_once.state().is("40001"));
        BOOST_TEST(calls == 1);
        BOOST_TEST(cluster::shared().sql("select n from t where id = 2") == "21");
    });
}

BOOST_AUTO_TEST_CASE(deadlocks_are_retried_to_success)
{
    cluster::shared().sql("insert into t values (1, 0), (2, 0)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        struct side {
            explicit side(asio::any_io_executor on) : conn(on) {}
            db::connection conn;
            bool locked = false;
            int calls = 0;
            beside task;
        };
        side one(executor);
        side two(executor);
        co_await one.conn.connect(settings());
        co_await two.conn.connect(settings());
        auto const work = [&](side& mine, side& other, int first, int second) -> asio::awaitable<void> {
            auto const body = [&](db::transaction& tx) -> asio::awaitable<void> {
                ++mine.calls;
                co_await tx.query("update t set n = n + 1 where id = $1", first);
                mine.locked = true;
                co_await until(executor, other.locked);
                co_await tx.query("update t set n = n + 1 where id = $1", second);
            };
            db::transaction_options const plain;
            db::retry_options retry;
            retry.attempts = 2;
            co_await db::in_transaction(mine.conn, plain, retry, body);
        };
        one.task.start(executor, work(one, two, 1, 2));
        two.task.start(executor, work(two, one, 2, 1));
        co_await until(executor, one.task.ended);
        co_await until(executor, two.task.ended);
        BOOST_TEST(!one.task.failure);
        BOOST_TEST(!two.task.failure);
        BOOST_TEST(one.calls + two.calls == 3);
        BOOST_TEST(cluster::shared().sql("select string_agg(n::text, ',') from t") == "2,2");
    });
}

BOOST_AUTO_TEST_CASE(lost_commit_is_never_retried)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        int calls = 0;
        auto const body = [&](db::transaction& tx) -> asio::awaitable<void> {
            ++calls;
            co_await tx.query("insert into t values (1)");
            auto const pid = std::to_string(static_cast<int>(conn.backend_pid()));
            cluster::shared().sql("select pg_terminate_backend(" + pid + ", 60000)");
        };
        db::transaction_options const plain;
        db::retry_options retry;
        retry.attempts = 5;
        auto const lost = co_await failure_of(db::in_transaction(conn, plain, retry, body));
        BOOST_TEST((lost.code() == db::errc::connection_lost));
        BOOST_TEST(calls == 1);
        BOOST_TEST(!conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(savepoints_nest_and_undo_what_is_theirs)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        auto const kept = [&]() -> asio::awaitable<int> {
            co_await tx.query("insert into t values (1)");
            auto const failing = [&]() -> asio::awaitable<void> {
                co_await tx.query("insert into t values (2)");
                co_await tx.query("insert into t values (1)");
            };
            auto const duplicate = co_await failure_of(tx.savepoint(failing));
            BOOST_TEST(duplicate.state().is("23505"));
            co_await tx.query("insert into t values (3)");
            co_return 5;
        };
        auto const five = co_await tx.savepoint(kept);
        BOOST_TEST(five == 5);
        auto const throwing = [&]() -> asio::awaitable<void> {
            auto const inner = [&]() -> asio::awaitable<void> { co_await tx.query("insert into t values (4)"); };
            co_await tx.savepoint(inner);
            throw std::out_of_range("mine");
        };
        bool caught = false;
        try {
            co_await tx.savepoint(throwing);
        } catch (std::out_of_range const&) {
            caught = true;
        }
        BOOST_TEST(caught);
        auto const hiding = [&]() -> asio::awaitable<void> {
            co_await tx.query("insert into t values (5)");
            co_await failure_of(tx.query("select 1/0"));
        };
        auto const hidden = co_await failure_of(tx.savepoint(hiding));
        BOOST_TEST(hidden.state().is("25P02"));
        co_await tx.commit();
        BOOST_TEST(in_table() == "1,3");
    });
}

BOOST_AUTO_TEST_CASE(cancelled_savepoint_spoils_the_transaction)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto tx = co_await db::begin(conn);
        bool there = false;
        auto const body = [&]() -> asio::awaitable<void> {
            co_await tx.query("insert into t values (1)");
            there = true;
            asio::steady_timer timer(executor, 1h);
            co_await timer.async_wait(asio::use_awaitable);
        };
        beside task;
        task.start(executor, tx.savepoint(body));
        co_await until(executor, there);
        task.cancel.emit(asio::cancellation_type::terminal);
        co_await until(executor, task.ended);
        BOOST_TEST((task.code() == asio::error::operation_aborted));
        // A later savepoint that is undone does not undo that.
        auto const failing = [&]() -> asio::awaitable<void> { co_await tx.query("select 1/0"); };
        co_await failure_of(tx.savepoint(failing));
        auto const spoilt = co_await failure_of(tx.commit());
        BOOST_TEST(spoilt.state().is("25P02"));
        auto const rows = co_await conn.query("select id from t");
        BOOST_TEST(rows.empty());
    });
}

BOOST_AUTO_TEST_SUITE_END()
