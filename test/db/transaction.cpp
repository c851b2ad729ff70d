#include <pgtally/db/detail/retrying.hpp>
#include <pgtally/db/transaction.hpp>
#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct transaction_fixture : db_fixture {
    transaction_fixture()
    {
        cluster::shared().sql("drop table if exists t; create table t (id int primary key, n int)");
    }
    ~transaction_fixture() { cluster::shared().sql("drop table t"); }
};

std::string in_table()
{
    return cluster::shared().sql("select coalesce(string_agg(id::text, ',' order by id), '') from t");
}

asio::awaitable<std::string> show(db::transaction& tx, std::string what)
{
    auto const rows = co_await tx.query("show " + what);
    co_return std::string(rows.text(0, 0));
}

// A coroutine beside the test, which can be cancelled, and how it ended.
struct beside {
    asio::cancellation_signal cancel;
    bool ended = false;
    std::exception_ptr failure;

    void start(asio::any_io_executor executor, asio::awaitable<void> body)
    {
        auto done = [this](std::exception_ptr thrown) {
            ended = true;
            failure = thrown;
        };
        asio::co_spawn(executor, std::move(body), asio::bind_cancellation_slot(cancel.slot(), std::move(done)));
    }

    db::error_code code() const
    {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (boost::system::system_error const& thrown) {
            return thrown.code();
        }
        return db::error_code();
    }
};

asio::awaitable<void> until(asio::any_io_executor executor, bool const& happened)
{
    while (!happened) co_await asio::post(executor, asio::use_awaitable);
}

std::exception_ptr with_state(char const* state)
{
    db::diagnostics said;
    said.state = db::sqlstate(state);
    return std::make_exception_ptr(db::error(db::errc::server_error, "as if", said));
}

}  // namespace

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
        // A server that says otherwise by default.
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
        // The next operation waits until it is left.
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
        // One waits; another one is refused as in any operation.
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
        BOOST_TEST(!conn.in_transaction());  // not even on the way
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
        // Write skew: each reads what the other one writes.
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
        // The bound.
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
        // A later one that is undone does not undo that.
        auto const failing = [&]() -> asio::awaitable<void> { co_await tx.query("select 1/0"); };
        co_await failure_of(tx.savepoint(failing));
        auto const spoilt = co_await failure_of(tx.commit());
        BOOST_TEST(spoilt.state().is("25P02"));
        auto const rows = co_await conn.query("select id from t");
        BOOST_TEST(rows.empty());
    });
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

BOOST_AUTO_TEST_SUITE_END()
