// Read your writes.

#include <pgtally/test/cache/replica/fixture.hpp>

#include <limits>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_applied, tweets)

namespace {

constexpr char const* one_more = "insert into activity (messageid, action) values (33, 'rt')";

// A program beside the replica. After it has awaited a commit, the counters must contain the commit.
asio::awaitable<void> write_and_read(asio::any_io_executor executor, tweets& of, replica& from, int key, int& left)
{
    auto const connection = co_await connect(executor, of.dsn());
    auto const statement = "insert into activity (messageid, action) values (" + std::to_string(key) + ", 'fav')";
    for (int i = 1; i <= 40; ++i) {
        auto const x = co_await commit(*connection, statement);
        co_await from.applied(x);
        BOOST_TEST(from.get(key)["favs"] == i);
    }
    --left;
}

asio::awaitable<void> write_only(asio::any_io_executor executor, tweets& of, int const& left)
{
    auto const connection = co_await connect(executor, of.dsn());
    while (left > 0) {
        co_await connection->query(
            "insert into activity (messageid, action) select 1000 + i % 50, 'rt' "
            "from generate_series(1, 200) i");
    }
}

// Only a few times, because the pauses between connection attempts grow.
asio::awaitable<void> cut_now_and_then(asio::any_io_executor executor, tweets& of)
{
    auto const connection = co_await connect(executor, of.dsn());
    asio::steady_timer pause{executor};
    for (int i = 0; i < 3; ++i) {
        pause.expires_after(100ms);
        co_await pause.async_wait(asio::use_awaitable);
        co_await connection->query(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgtally' and query ilike 'listen%'");
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_commit_is_seen_while_others_write)
{
    for (bool const cut : {false, true}) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running it{executor, config()};
            int const first = cut ? 200 : 100;
            int left = 4;
            auto writers = left;
            for (int i = 0; i < writers; ++i)
                spawn(executor, write_and_read(executor, *this, *it.replica, first + i, left));
            for (int i = 0; i < 2; ++i) spawn(executor, write_only(executor, *this, left));
            if (cut) spawn(executor, cut_now_and_then(executor, *this));
            auto done = [&] { return left == 0; };
            co_await eventually(executor, done);
            it.replica->stop();
            co_await it.until_ended();
        });
    }
}

BOOST_AUTO_TEST_CASE(a_transaction_that_touched_nothing_is_applied)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        co_await it.until_live();
        co_await it.replica->applied(write("insert into elsewhere values (1)"));
        co_await it.replica->applied(write("insert into activity (messageid, action) values (33, 'look')"));
        BOOST_TEST(it.replica->get(33)["rts"] == 2);
        it.replica->stop();
        co_await it.until_ended();
    });
}

// The first load contains the write, so no barrier is needed.
BOOST_AUTO_TEST_CASE(before_the_first_load_it_waits_for_it)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const x = write(one_more);
        running it{executor, config()};
        co_await it.replica->applied(x);
        BOOST_TEST((it.replica->state() == cache::state::live));
        BOOST_TEST(it.replica->get(33)["rts"] == 3);
        it.replica->stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(a_transaction_that_is_open_is_waited_for)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        co_await it.until_live();
        for (std::string const end : {"commit", "rollback"}) {
            auto const open = co_await connect(executor, dsn());
            auto const before = it.replica->get(33)["rts"];
            co_await open->query("begin");
            co_await open->query(one_more);
            auto const id = co_await open->query("select pg_current_xact_id()");
            auto const x = std::stoull(std::string{id.text(0, 0)});
            bool const early = co_await it.replica->applied(x, 200ms);
            BOOST_TEST(!early);
            co_await open->query(end);
            bool const seen = co_await it.replica->applied(x, 30s);
            BOOST_TEST(seen);
            BOOST_TEST(it.replica->get(33)["rts"] == before + (end == "commit" ? 1 : 0));
        }
        it.replica->stop();
        co_await it.until_ended();
    });
}

// Waiting callers get an error when the set stops.
BOOST_AUTO_TEST_CASE(stop_ends_a_wait)
{
    for (bool const destroyed : {false, true}) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running it{executor, config()};
            co_await it.until_live();
            std::optional<db::error> thrown;
            auto wait = [&](asio::awaitable<void> applied) -> asio::awaitable<void> {
                try {
                    co_await std::move(applied);
                } catch (db::error const& e) {
                    thrown = e;
                }
            };
            spawn(executor, wait(it.replica->applied(1'000'000'000)));
            for (int i = 0; i < 20; ++i) co_await asio::post(executor, asio::use_awaitable);
            if (destroyed) it.replica.reset();
            else it.replica->stop();
            co_await it.until_ended();
            BOOST_REQUIRE(thrown);
            BOOST_TEST((thrown->code() == db::errc::closed));
        });
    }
}

BOOST_AUTO_TEST_CASE(an_impossible_id_is_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        pgtally::replica replica{executor, config()};
        bool refused = false;
        try {
            co_await replica.applied(std::numeric_limits<std::uint64_t>::max());
        } catch (std::invalid_argument const&) {
            refused = true;
        }
        BOOST_TEST(refused);
    });
}

BOOST_AUTO_TEST_SUITE_END()
