// The limits of a session, each one reached, and large values without a limit.

#include <pgtally/test/db/client.hpp>

#include <vector>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_session_limits, session_fixture)

BOOST_AUTO_TEST_CASE(bytes_in_flight_hold_the_next_call_back)
{
    auto settings = session_settings();
    settings.max_in_flight_bytes = 100'000;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.hold();
        auto const first = it.stop_here();
        std::string const big(40'000, 'x');
        std::vector<client::call> calls;
        for (int i = 0; i < 5; ++i) calls.push_back(it.begin("select length($1)", big));
        auto const held_back = [&] { return it.session.in_flight() == 3 && it.session.queued() == 3; };
        co_await it.until(held_back);
        auto const small = it.begin("select 'small'");  // first come, first served
        auto const waits = [&] { return it.session.queued() == 4; };
        co_await it.until(waits);
        BOOST_TEST(it.session.in_flight() == 3u);
        co_await it.release();
        co_await it.until_ended(small);
        for (auto const& call : calls) BOOST_TEST(call->result.text(0, 0) == "40000");
        BOOST_TEST(it.session.stats().in_flight_max == 3u);
        BOOST_TEST(it.session.stats().overloaded == 0u);
    });
}

BOOST_AUTO_TEST_CASE(call_beyond_the_bytes_in_flight_goes_alone)
{
    auto settings = session_settings();
    settings.max_in_flight_bytes = 1;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        std::vector<client::call> calls;
        for (int i = 0; i < 5; ++i) calls.push_back(it.begin("select $1::int", i));
        co_await it.until_ended(calls.back());
        for (auto const& call : calls) BOOST_TEST(!call->failure);
        BOOST_TEST(it.session.stats().in_flight_max == 1u);
    });
}

BOOST_AUTO_TEST_CASE(bytes_that_wait_are_limited)
{
    auto settings = session_settings();
    settings.max_in_flight = 1;
    settings.max_queued_bytes = 100'000;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.hold();
        auto const first = it.stop_here();
        co_await it.until_sent(1);
        std::string const huge(150'000, 'x');
        auto const alone = it.begin("select length($1)", huge);
        auto const waits = [&] { return it.session.queued() == 1; };
        co_await it.until(waits);
        auto const refused = co_await failure_of(it.session.query("select 1"));
        BOOST_TEST((refused.code() == db::errc::overloaded));
        co_await it.release();
        co_await it.until_ended(alone);
        BOOST_TEST(alone->result.text(0, 0) == "150000");
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().overloaded == 1u);
    });
}

BOOST_AUTO_TEST_CASE(statement_of_max_prepared_bytes_is_prepared_and_a_longer_one_is_not)
{
    std::string const sql = "select $1::int";
    for (bool const fits : {true, false}) {
        auto settings = session_settings();
        settings.max_prepared_bytes = fits ? sql.size() : sql.size() - 1;
        with_client(settings, [&](client& it) -> asio::awaitable<void> {
            for (int i = 0; i < 3; ++i) {
                auto const result = co_await it.session.query(sql, i);
                BOOST_TEST(result.text(0, 0) == std::to_string(i));
            }
            BOOST_TEST(it.session.stats().prepared == (fits ? 1u : 0u));
        });
    }
}

BOOST_AUTO_TEST_CASE(result_of_many_megabytes_arrives_whole_and_others_after_it)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        auto const big = it.begin("select i, repeat('x', 1000) from generate_series(1, 50000) i");
        auto const after = it.begin("select 'after'");
        co_await it.until_ended(after);
        BOOST_REQUIRE(big->result.size() == 50'000u);
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < big->result.size(); ++i) {
            BOOST_REQUIRE(big->result.text(i, 0) == std::to_string(i + 1));
            bytes += big->result.text(i, 1).size();
        }
        BOOST_TEST(bytes == 50'000'000u);
        BOOST_TEST(after->result.text(0, 0) == "after");
    });
}

BOOST_AUTO_TEST_SUITE_END()
