// Cancellations hit only the statement that they are meant for.

#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/step_proxy.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct through_proxy : db_fixture {
    [[nodiscard]] db::config settings_of(step_proxy const& between) const { return settings(between.dsn()); }

    // A statement is given up, and the next one selects a number.
    asio::awaitable<void> give_up_one(db::connection& conn) const
    {
        conn.set_timeout(50ms);
        auto const late = co_await failure_of(conn.query("select pg_sleep(1000)"));
        BOOST_TEST((late.code() == db::errc::timed_out));
        conn.set_timeout(0ms);
    }
};

// The server's first message after the client has sent its statement.
std::size_t first_answer(std::vector<std::string> const& steps)
{
    auto const sent = std::find(steps.begin(), steps.end(), "C:P");
    auto const answer = std::find_if(sent, steps.end(), [](std::string const& each) { return each.starts_with("S:"); });
    BOOST_REQUIRE((answer != steps.end()));
    return static_cast<std::size_t>(answer - steps.begin()) + 1;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_recovery_cancel, through_proxy)

// While it is unknown whether the server has acted on the cancellation, no other statement may be sent.
BOOST_AUTO_TEST_CASE(cancellation_without_an_answer_closes_the_connection)
{
    std::size_t step = 0;
    {
        step_proxy between(cluster::shared().port());
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            co_await conn.connect(settings_of(between));
            co_await give_up_one(conn);
            co_await conn.query("select 1");
        });
        step = first_answer(between.steps(2));
    }
    fault_plan plan;
    plan.what = fault::cut;
    plan.step = step;
    plan.connection = 2;
    step_proxy between(cluster::shared().port(), plan);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings_of(between));
        co_await give_up_one(conn);
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST(between.struck());
        BOOST_TEST((closed.code() == db::errc::closed));
        BOOST_TEST(!conn.is_open());
        co_await conn.connect(settings_of(between));
        co_await conn.query("select 1");
    });
    BOOST_TEST(log->contain("a cancellation may still arrive"));
}

BOOST_AUTO_TEST_CASE(rollback_of_a_recovery_is_not_cancelled)
{
    step_proxy between(cluster::shared().port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings_of(between));
        for (int i = 0; i < 10; ++i) {
            co_await conn.query("begin");
            conn.leave_transaction();
            conn.cancel();
            co_await asio::post(executor, asio::use_awaitable);
            conn.cancel();
            co_await conn.settled();
            BOOST_TEST(conn.is_idle());
        }
    });
    BOOST_TEST(between.accepted() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
