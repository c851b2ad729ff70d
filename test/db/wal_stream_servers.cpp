// Servers that refuse logical replication: each has its own cluster.

#include <pgtally/test/db/wal_subject.hpp>

#include <boost/asio/post.hpp>

#include <exception>
#include <thread>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

struct own_cluster : db_fixture {
    explicit own_cluster(std::vector<std::string> settings) : server(std::move(settings))
    {
        server.sql("create publication nothing");
    }

    void expect(std::string const& reason, std::string const& state, bool permanent, std::string const& remedy) const
    {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            wal_subject it(executor, wal_hurried(settings(server.dsn())));
            it.start();
            auto const got = co_await it.next();
            BOOST_TEST(mentions(got.text, reason), got.text);
            BOOST_TEST(got.lost.state.view() == state);
            BOOST_TEST(got.lost.permanent == permanent);
            BOOST_TEST(got.lost.remedy == remedy);
            it.stream.stop();
            co_await it.until_run_ended();
        });
    }

    cluster server;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_wal_stream_servers)

BOOST_AUTO_TEST_CASE(wal_level_is_too_low)
{
    own_cluster const it({"fsync=off", "wal_level=replica"});
    it.expect("logical decoding requires", "55000", true,
              "set wal_level = logical in postgresql.conf, and restart PostgreSQL");
}

BOOST_AUTO_TEST_CASE(there_are_no_senders)
{
    own_cluster const it({"fsync=off", "wal_level=minimal", "max_wal_senders=0"});
    it.expect("(currently 0)", "53300", true,
              "set wal_level = logical and max_wal_senders = 10 in postgresql.conf, and restart PostgreSQL");
}

BOOST_AUTO_TEST_CASE(all_senders_are_used)
{
    own_cluster const it({"fsync=off", "wal_level=logical", "max_wal_senders=1"});
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        wal_subject first(executor, it.settings(it.server.dsn()));
        first.start();
        BOOST_TEST((co_await first.next_text()) == "+");
        wal_subject second(executor, wal_hurried(it.settings(it.server.dsn())));
        second.start();
        auto const got = co_await second.next();
        BOOST_TEST(got.lost.state.is("53300"));
        BOOST_TEST(!got.lost.permanent);
        BOOST_TEST(got.lost.remedy ==
                   "end another replication, or raise max_wal_senders in postgresql.conf and restart PostgreSQL");
        first.stream.stop();
        co_await second.until("+");
        second.stream.stop();
    });
}

BOOST_AUTO_TEST_CASE(all_slots_are_used)
{
    own_cluster const it({"fsync=off", "wal_level=logical", "max_replication_slots=1"});
    it.server.sql("select pg_create_physical_replication_slot('taken')");
    it.expect("all replication slots are in use", "53400", false,
              "free a replication slot, or raise max_replication_slots in postgresql.conf and restart PostgreSQL");
}

BOOST_AUTO_TEST_CASE(there_are_no_slots)
{
    own_cluster const it({"fsync=off", "wal_level=logical", "max_replication_slots=0"});
    it.expect("max_replication_slots", "55000", true,
              "free a replication slot, or raise max_replication_slots in postgresql.conf and restart PostgreSQL");
}

// A client that never confirms would block it.
BOOST_AUTO_TEST_CASE(fast_shutdown_is_not_blocked)
{
    own_cluster it({"fsync=off", "wal_level=logical"});
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto unused = wal_options();
        unused.prefix = "nothing has it";
        auto const with = wal_hurried(it.settings(it.server.dsn()));
        wal_subject idle(executor, with, db::wal_stream_limits(), unused);  // which has nothing to confirm
        wal_subject busy(executor, with);
        idle.start();
        busy.start();
        BOOST_TEST((co_await idle.next_text()) == "+");
        BOOST_TEST((co_await busy.next_text()) == "+");
        it.server.sql("select pg_logical_emit_message(true, 'other', repeat('x', 1000000))");
        it.server.sql("select pg_logical_emit_message(true, 'test', 'a')");
        auto const last = co_await busy.until("a");
        // The shutdown begins before the transaction is confirmed, which happens when the server has asked.
        std::exception_ptr failed;
        bool down = false;
        std::thread stopping([&] {
            try {
                it.server.stop();
            } catch (...) {
                failed = std::current_exception();
            }
            asio::post(executor, [&] { down = true; });
        });
        auto const statuses = busy.stream.counters().statuses + 2;
        auto const asked = [&] { return busy.stream.counters().statuses >= statuses; };
        co_await busy.wait_for(asked);
        busy.stream.confirm(last.transaction.end);
        auto const stopped = [&] { return down; };
        co_await busy.wait_for(stopped);
        stopping.join();
        BOOST_TEST(!failed);
        auto const lost = co_await busy.next();
        BOOST_TEST(lost.text.front() == '!');
        BOOST_TEST(!lost.lost.permanent);
        it.server.start();
        co_await busy.until("+");
        idle.stream.stop();
        busy.stream.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
