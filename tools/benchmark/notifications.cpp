#include "contestants.hpp"

#include <pgtally/db/connection.hpp>
#include <pgtally/db/listener.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <stdexcept>
#include <utility>
#include <variant>

namespace pgtally::bench {
namespace {

namespace asio = boost::asio;

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
    figures result{};
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
    unsigned last_bytes = 0;
    stopwatch watch;
    while (count < in.count) {
        auto const events = co_await in.listener.next();
        if (count == 0) watch = stopwatch();
        for (auto const& each : events) {
            auto const& payload = std::get<db::notification>(each).payload;
            bytes += payload.size();
            last_bytes += static_cast<unsigned char>(payload.at(payload.size() - 1));
            ++count;
        }
    }
    if (bytes < count || last_bytes == 0) throw std::runtime_error("notifications came without their payload");
    in.result = watch.of(count);
    in.context.stop();
}

}  // namespace

figures notifications(db::config settings, std::size_t count)
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
