#include "contestants.hpp"

#include <pgtally/db/session.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <exception>
#include <random>
#include <tuple>
#include <utility>

namespace pgtally::bench {
namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using row = std::tuple<std::int64_t>;

constexpr std::int64_t items = 100'000;
constexpr char const* lookup = "select value from pgtally_bench.item where id = $1::bigint";

struct contest {
    asio::io_context& context;
    db::session session;
    std::minstd_rand random{1};
    std::size_t running = 0;
    std::uint64_t done = 0;
    clock::time_point end{};
};

void rethrow(std::exception_ptr thrown)
{
    if (thrown) std::rethrow_exception(thrown);
}

asio::awaitable<void> first_call(contest& in)
{
    co_await in.session.query_as<row>(lookup, 1);
    in.context.stop();
}

asio::awaitable<void> caller(contest& in)
{
    std::uniform_int_distribution<std::int64_t> keys(1, items);
    while (clock::now() < in.end) {
        auto const found = co_await in.session.query_as<row>(lookup, keys(in.random));
        static_cast<void>(found.one());
        ++in.done;
    }
    if (--in.running == 0) in.context.stop();
}

figures take_turn(contest& in, std::size_t callers, seconds time)
{
    in.done = 0;
    in.running = callers;
    stopwatch const watch;
    in.end = clock::now() + std::chrono::duration_cast<clock::duration>(time);
    for (std::size_t i = 0; i < callers; ++i) asio::co_spawn(in.context, caller(in), rethrow);
    in.context.restart();
    in.context.run();
    return watch.of(in.done);
}

}  // namespace

void lookups(db::config settings, std::size_t callers, seconds time, std::function<bool()> const& turn,
             std::function<void(figures)> const& print)
{
    asio::io_context context{1};
    db::session_config shared;
    shared.connection = std::move(settings);
    shared.connection.query_timeout = std::chrono::seconds{60};
    contest here{context, db::session(context.get_executor(), shared)};
    asio::co_spawn(context, here.session.run(), rethrow);
    asio::co_spawn(context, first_call(here), rethrow);  // connects, so that the figures leave it out
    context.run();
    while (turn()) print(take_turn(here, callers, time));
    here.session.stop();
    context.restart();
    context.run();
}

}  // namespace pgtally::bench
