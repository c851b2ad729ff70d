#include "contestants.hpp"

#include <pgtally/db/connection.hpp>
#include <pgtally/db/listener.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <ctime>
#include <exception>
#include <stdexcept>
#include <utility>
#include <variant>

namespace pgtally::bench {
namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;

double cpu_seconds()
{
    std::timespec at{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

asio::awaitable<void> send(db::connection& by, db::config settings, std::size_t count)
{
    co_await by.connect(std::move(settings));
    co_await by.query(
        "select count(pg_notify('pgtally_bench', 'a payload of some bytes ' || i)) "
        "from generate_series(1, $1::bigint) i",
        count);
}

struct contest {
    asio::io_context& context;
    db::config const& settings;
    db::listener& listener;
    std::size_t count;
    heard result{};
};

asio::awaitable<void> receive(contest& in)
{
    db::connection sender(in.context.get_executor());
    auto const rethrow = [](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);
    };
    auto const first = co_await in.listener.next();
    if (!std::holds_alternative<db::listening>(first[0])) throw std::runtime_error("cannot listen");
    asio::co_spawn(in.context, send(sender, in.settings, in.count), rethrow);

    std::size_t count = 0, bytes = 0;
    double began_cpu = 0;
    clock::time_point began;
    while (count < in.count) {
        auto const events = co_await in.listener.next();
        if (count == 0) {
            began = clock::now();
            began_cpu = cpu_seconds();
        }
        for (auto const& each : events) {
            bytes += std::get<db::notification>(each).payload.size();
            ++count;
        }
    }
    if (bytes < count) throw std::runtime_error("notifications came without their payload");
    auto const total = static_cast<double>(count);
    in.result.per_second = total / std::chrono::duration<double>(clock::now() - began).count();
    in.result.per_cpu_second = total / (cpu_seconds() - began_cpu);
    in.context.stop();
}

}  // namespace

heard notifications(db::config settings, std::size_t count)
{
    asio::io_context context{1};
    db::listener listener(context.get_executor(), settings, {"pgtally_bench"});
    contest here{context, settings, listener, count};
    auto const rethrow = [](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);
    };
    asio::co_spawn(context, listener.run(), rethrow);
    asio::co_spawn(context, receive(here), rethrow);
    context.run();
    return here.result;
}

}  // namespace pgtally::bench
