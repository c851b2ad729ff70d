// A connection that is closed, reconnected or destroyed while it recovers.

#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_recovery_end, db_fixture)

namespace {

// The connection is recovering when this returns.
asio::awaitable<void> give_up_one(db::connection& conn)
{
    conn.set_timeout(20ms);
    auto const late = co_await failure_of(conn.query("select pg_sleep(1000)"));
    BOOST_TEST((late.code() == db::errc::timed_out));
    BOOST_TEST(!conn.is_idle());
}

struct connecting {
    bool ended = false;
    std::optional<db::error> failure{};
};

std::shared_ptr<connecting> connect_beside(asio::any_io_executor executor, db::connection& conn, db::config settings)
{
    auto const into = std::make_shared<connecting>();
    auto follow = [](asio::awaitable<void> given, std::shared_ptr<connecting> how) -> asio::awaitable<void> {
        try {
            co_await std::move(given);
        } catch (db::error const& thrown) {
            how->failure = thrown;
        }
        how->ended = true;
    };
    spawn(executor, follow(conn.connect(std::move(settings)), into));
    return into;
}

}  // namespace

BOOST_AUTO_TEST_CASE(closing_ends_a_connect_that_waits_for_the_recovery)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        for (bool const destroyed : {false, true}) {
            auto conn = std::make_unique<db::connection>(executor);
            co_await conn->connect(settings());
            co_await give_up_one(*conn);
            auto const again = connect_beside(executor, *conn, settings());
            BOOST_TEST(conn->is_busy());
            if (destroyed) conn.reset();
            else conn->close();
            while (!again->ended) co_await asio::post(executor, asio::use_awaitable);
            BOOST_TEST_REQUIRE(again->failure.has_value());
            BOOST_TEST((again->failure->code() == db::errc::closed));
            if (destroyed) continue;
            BOOST_TEST(!conn->is_open());
            co_await conn->connect(settings());
            co_await conn->query("select 1");
        }
    });
}

// An old cancellation ends while names are resolved, one after another.
BOOST_AUTO_TEST_CASE(cancellation_that_ends_late_does_not_end_the_next_connect)
{
    auto const port = std::to_string(cluster::shared().port());
    std::string hosts = "localhost";
    std::string ports = port;
    for (int i = 1; i < 100; ++i) {
        hosts += ",localhost";
        ports += "," + port;
    }
    auto const by_name = settings("user=postgres dbname=postgres host=" + hosts + " port=" + ports);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        for (int i = 0; i < 5; ++i) {
            co_await give_up_one(conn);
            co_await conn.connect(by_name);
            co_await conn.query("select 1");
        }
    });
}

BOOST_AUTO_TEST_CASE(context_may_end_with_a_connection_in_a_frame)
{
    bool late = false;
    {
        asio::io_context context;
        auto body = [&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            asio::steady_timer for_ever(executor, asio::steady_timer::time_point::max());
            co_await conn.connect(settings());
            co_await conn.query("begin");
            co_await give_up_one(conn);
            conn.leave_transaction();
            late = true;
            co_await for_ever.async_wait(asio::use_awaitable);
        };
        spawn(context.get_executor(), body(context.get_executor()));
        while (!late) context.run_one();
    }
    BOOST_TEST(late);
}

BOOST_AUTO_TEST_SUITE_END()
