#include <pgtally/server/http/fair_turns.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

namespace pgtally::server {

namespace {

asio::awaitable<void> step(fair_turns& turns, std::string& log, char name)
{
    co_await turns.take();
    log += name;
    turns.pass_on();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_fair_turns)

BOOST_AUTO_TEST_CASE(one_computes_at_a_time_and_the_rest_of_the_loop_runs_between)
{
    asio::io_context io{1};
    fair_turns turns{io};
    std::string log;
    for (char const name : {'a', 'b', 'c'}) asio::co_spawn(io, step(turns, log, name), asio::detached);
    asio::post(io, [&] { log += '.'; });
    io.run();
    BOOST_TEST(log == "a.bc");
    // Nobody has the turn any more.
    io.restart();
    asio::co_spawn(io, step(turns, log, 'd'), asio::detached);
    io.run();
    BOOST_TEST(log == "a.bcd");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
