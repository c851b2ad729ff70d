// The blocks of db/README.md that are about transactions and pools.

#include <pgtally/db/attempt.hpp>
#include <pgtally/test/db/snippets.hpp>

//[ transaction
#include <pgtally/db/transaction.hpp>
//]

//[ pool
#include <pgtally/db/pool.hpp>
//]

namespace asio = boost::asio;
namespace db = pgtally::db;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets_transaction, shop)

BOOST_AUTO_TEST_CASE(transaction_with_a_savepoint)
{
    sql("insert into post (id, title) values (7, 'kept'), (8, 'deleted')");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        auto const id = 8;
        //[ transaction
        db::transaction tx = co_await db::begin(conn);
        co_await tx.query("delete from post where id = $1", id);
        auto const insert = [&]() -> asio::awaitable<void> {
            co_await tx.query("insert into post (id, title) values (7, 'there is one')");
        };
        auto const added = co_await db::attempt(tx.savepoint(insert));  // fails: undone; the rest stays
        co_await tx.commit();  // without it, the destructor of tx rolls back and does not wait
        //]
        BOOST_TEST(added.has_error());
    });
    BOOST_TEST(sql("select string_agg(title, ',') from post") == "kept");
}

BOOST_AUTO_TEST_CASE(transaction_done_again)
{
    accounts();
    // One session imitates a conflict of two transactions: the first attempt fails as if another one had been
    // faster.
    sql("create sequence calls; create function lose_once() returns trigger language plpgsql as $$begin"
        " if nextval('calls') = 1 then raise exception 'a conflict' using errcode = '40001'; end if; return new; end$$;"
        " create trigger lose_once before update on account for each row execute function lose_once()");
    connected([&](db::connection& conn) -> asio::awaitable<void> {
        auto const [from, to, amount] = std::tuple(1, 2, 40);
        //[ retry
        auto const move = [&](db::transaction& tx) -> asio::awaitable<std::int64_t> {
            auto const sql = "update account set balance = balance + $2 where id = $1 returning balance";
            auto const left = co_await tx.query_as<std::int64_t>(sql, from, -amount);
            co_await tx.query(sql, to, amount);
            co_return left.one();
        };
        db::transaction_options strict;
        strict.level = db::isolation::serializable;
        db::retry_options retry;
        retry.attempts = 5;  // 40001 and 40P01 only; the body runs again
        auto const left = co_await db::in_transaction(conn, strict, retry, move);
        //]
        BOOST_TEST(left == 60);
    });
    BOOST_TEST(sql("select last_value from calls") == "3");  // one of them failed
    BOOST_TEST(sql("select sum(balance) from account") == "100");
}

BOOST_AUTO_TEST_CASE(pool_lends)
{
    accounts();
    sql("insert into post (id, title) values (7, 'a title')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const id = 7;
        auto const body = [](db::transaction& tx) -> asio::awaitable<void> {
            co_await tx.query("update account set balance = balance + 1 where id = 1");
        };
        db::transaction_options const options;
        //[ pool
        db::pool_config several;
        several.connection = settings;
        several.max_connections = 20;
        db::pool pool(executor, several);

        co_await pool.query("update post set seen = seen + 1 where id = $1", id);  // acquire, run, return
        co_await pool.in_transaction(options, body);                               // the same with a transaction
        db::lease lease = co_await pool.acquire();  // first come, first served; its destructor returns it
        co_await lease->query("select set_config('search_path', 'shop', false)");  // a db::connection
        lease.discard();  // its session has state that others must not see: closed instead of kept
        //]
        lease.give_back();
        BOOST_TEST(pool.counters().acquired == 3u);
        BOOST_TEST(pool.counters().discarded == 1u);
        pool.stop();
    });
    BOOST_TEST(sql("select seen from post") == "1");
    BOOST_TEST(sql("select balance from account where id = 1") == "101");
}

BOOST_AUTO_TEST_SUITE_END()
