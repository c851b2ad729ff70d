// Pools and transactions with completion tokens.

#include <pgtally/db/pool.hpp>
#include <pgtally/test/db/operations.hpp>

BOOST_AUTO_TEST_SUITE(test_async_pool)

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct pooled : callbacks {
    std::string database = cluster::shared().create_database();

    pooled() { sql("create table t (id int primary key)"); }

    [[nodiscard]] db::pool_config pool_settings() const
    {
        db::pool_config result;
        result.connection = settings(cluster::shared().dsn(database));
        result.max_connections = 1;
        return result;
    }
    std::string sql(std::string const& statement) const { return cluster::shared().sql(statement, database); }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(callbacks_alone_make_a_transaction, pooled)
{
    struct program {
        db::pool pool;
        db::lease held{};
        db::transaction tx{};
        called committed{};

        void begin()
        {
            BOOST_TEST(!tx.is_open());
            pool.async_acquire([this](std::exception_ptr, db::lease lease) {
                held = std::move(lease);
                db::async_begin(*held, db::transaction_options(), [this](std::exception_ptr, db::transaction begun) {
                    tx = std::move(begun);
                    BOOST_TEST(tx.is_open());
                    insert();
                });
            });
        }
        void insert()
        {
            tx.async_query("insert into t values ($1)", 1, [this](std::exception_ptr failure, db::result_set) {
                BOOST_TEST(!failure);
                tx.async_script("insert into t values (2); insert into t values (3)", [this](std::exception_ptr) {
                    tx.async_query_as<std::int64_t>("select count(*) from t", [this](std::exception_ptr, auto rows) {
                        BOOST_TEST(rows.one() == 3);
                        tx.async_commit(committed.handler());
                    });
                });
            });
        }
    } it{db::pool(context.get_executor(), pool_settings())};
    it.begin();
    run();
    BOOST_TEST(it.committed.times == 1);
    BOOST_TEST(!it.committed.code);
    BOOST_TEST(sql("select count(*) from t") == "3");
    it.pool.stop();
}

BOOST_FIXTURE_TEST_CASE(transaction_that_is_let_go_is_rolled_back, pooled)
{
    db::connection conn(context.get_executor());
    connect(conn);
    called settled;
    called ended;
    called late;
    db::async_begin(conn, db::transaction_options(), [&](std::exception_ptr, db::transaction) {
        BOOST_TEST(conn.in_transaction());
        // The handler's own lease is gone when this runs.
        asio::post(context, [&] { conn.async_settled(settled.handler()); });
    });
    run();
    BOOST_TEST(settled.times == 1);
    BOOST_TEST(!settled.code);
    BOOST_TEST(conn.is_idle());
    db::transaction tx;
    db::async_begin(conn, db::transaction_options(), [&](std::exception_ptr, db::transaction begun) {
        tx = std::move(begun);
        tx.async_rollback([&](std::exception_ptr failure) {
            ended.handler()(failure);
            tx.async_commit(late.handler());
        });
    });
    run();
    BOOST_TEST(!ended.code);
    BOOST_TEST((late.code == db::errc::server_error));
    BOOST_TEST(conn.is_idle());
}

BOOST_FIXTURE_TEST_CASE(begin_that_fails_gives_an_empty_one, callbacks)
{
    db::connection conn(context.get_executor());
    called begun;
    bool open = true;
    db::async_begin(conn, db::transaction_options(), [&](std::exception_ptr failure, db::transaction none) {
        begun.handler()(failure);
        open = none.is_open();
    });
    run();
    BOOST_TEST((begun.code == db::errc::closed));
    BOOST_TEST(!open);
}

BOOST_FIXTURE_TEST_CASE(pool_is_used_by_callbacks, pooled)
{
    db::pool pool(context.get_executor(), pool_settings());
    auto const insert = [](db::transaction& tx) -> asio::awaitable<std::int64_t> {
        auto const rows = co_await tx.query_as<std::int64_t>("insert into t values (1) returning id::bigint");
        co_return rows.one();
    };
    called deleted;
    called late;
    std::int64_t inserted = 0;
    std::int64_t counted = 0;
    pool.async_query("delete from t where id = $1", 1, deleted.handler());
    pool.async_in_transaction(db::transaction_options(), insert,
                              [&](std::exception_ptr, std::int64_t id) { inserted = id; });
    pool.async_query_as<std::int64_t>("select count(*) from t where id = $1", 1, [&](std::exception_ptr, auto rows) {
        counted = rows.one();
        pool.stop();
    });
    // The only connection is in use, and this call does not wait.
    pool.async_acquire(std::chrono::steady_clock::now() - 1s, [&](std::exception_ptr failure, db::lease none) {
        late.handler()(failure);
        BOOST_TEST(!none);
    });
    run();
    BOOST_TEST(deleted.times == 1);
    BOOST_TEST(!deleted.code);
    BOOST_TEST(inserted == 1);
    BOOST_TEST(counted == 1);
    BOOST_TEST((late.code == db::errc::timed_out));
}

BOOST_FIXTURE_TEST_CASE(another_thread_takes_futures_of_a_pool, threads)
{
    std::unique_ptr<db::pool> it;
    on_strand([&] {
        db::pool_config config;
        config.connection = settings();
        config.max_connections = 1;
        it = std::make_unique<db::pool>(strand, config);
    });
    auto const nothing = [](db::transaction&) -> asio::awaitable<void> { co_return; };
    auto one = it->async_query_as<std::int32_t>("select 1", asio::use_future);
    auto none = it->async_in_transaction(db::transaction_options(), nothing, asio::use_future);
    auto held = it->async_acquire(asio::use_future);
    BOOST_TEST(one.get().one() == 1);
    none.get();
    auto lease = held.get();
    auto begun = db::async_begin(*lease, db::transaction_options(), asio::use_future);
    auto tx = begun.get();
    auto seven = tx.async_query_as<std::int32_t>("select $1::int", 7, asio::use_future);
    BOOST_TEST(seven.get().one() == 7);
    tx.async_commit(asio::use_future).get();
    on_strand([&] {
        tx = db::transaction();
        lease.give_back();
        it.reset();
    });
    pool.join();
}

BOOST_AUTO_TEST_SUITE_END()
