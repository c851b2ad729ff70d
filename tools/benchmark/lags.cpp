#include "contestants.hpp"

#include <pgtally/cache/replica/replica.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

namespace pgtally::bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto patience = 30s;
constexpr auto between_inserts = 5ms;
constexpr char const* own_key = "0";

replica::config settings_of(db::config const& settings, std::string tally)
{
    replica::config chosen;
    chosen.dsn = settings.conninfo;
    chosen.tally = std::move(tally);
    return chosen;
}

double at_share(std::vector<double>& values, double share)
{
    std::sort(values.begin(), values.end());
    return values.at(static_cast<std::size_t>(share * static_cast<double>(values.size() - 1)));
}

// One writer, and a replica that it watches. Both are of this process, so that there is one clock.
class watched_writer {
public:
    watched_writer(asio::io_context& context, db::config settings, std::string const& tally, std::string const& table)
        : context_(context)
        , settings_(std::move(settings))
        , insert_("insert into " + table + " (post) values (" + own_key + ")")
        , writer_(context.get_executor())
        , replica_(context.get_executor(), settings_of(settings_, tally))
        , arrived_(context.get_executor())
        , pause_(context.get_executor())
    {
    }

    asio::awaitable<void> run(seconds time)
    {
        co_await writer_.connect(settings_);
        auto const rethrow = [](std::exception_ptr thrown) {
            if (thrown) std::rethrow_exception(thrown);
        };
        asio::co_spawn(context_, replica_.run(), rethrow);
        std::vector<any_key> keys(1, any_key(own_key));
        auto const watching = replica_.subscribe(std::move(keys), [this](changes const& brought) {
            shown_ = 0;
            for (auto const each : brought) shown_ = each.counters[0];
            shown_at_ = clock::now();
            arrived_.cancel();
        });
        co_await until(0);
        auto const first = shown_;
        auto const end = clock::now() + std::chrono::duration_cast<clock::duration>(time);
        for (std::int64_t sent = 1; clock::now() < end; ++sent) {
            co_await insert_one(first + sent);
            pause_.expires_after(between_inserts);
            co_await pause_.async_wait(asio::use_awaitable);
        }
        replica_.stop();
    }

    lag_figures figures()
    {
        return {at_share(commits_, 0.5), at_share(commits_, 0.99), at_share(lags_, 0.5), at_share(lags_, 0.99),
                commits_.size()};
    }

private:
    asio::awaitable<void> insert_one(std::int64_t expected)
    {
        auto const sent = clock::now();
        co_await writer_.query(insert_);
        auto const acknowledged = clock::now();
        co_await until(expected);
        commits_.push_back(seconds(acknowledged - sent).count());
        // A change can arrive before the answer to the COMMIT.
        lags_.push_back(std::max(0.0, seconds(shown_at_ - acknowledged).count()));
    }

    asio::awaitable<void> until(std::int64_t expected)
    {
        arrived_.expires_after(patience);
        while (shown_ < expected) {
            auto const [code] = co_await arrived_.async_wait(asio::as_tuple(asio::use_awaitable));
            if (!code) throw std::runtime_error("no change came for 30 s: " + replica_.reason());
        }
    }

    asio::io_context& context_;
    db::config settings_;
    std::string insert_;
    db::connection writer_;
    replica replica_;
    asio::steady_timer arrived_;
    asio::steady_timer pause_;
    std::int64_t shown_ = -1;
    clock::time_point shown_at_{};
    std::vector<double> commits_{};
    std::vector<double> lags_{};
};

}  // namespace

lag_figures lag(db::config settings, std::string const& tally, std::string const& table, seconds time)
{
    asio::io_context context{1};
    watched_writer here(context, std::move(settings), tally, table);
    asio::co_spawn(context, here.run(time), [&context](std::exception_ptr thrown) {
        context.stop();
        if (thrown) std::rethrow_exception(thrown);
    });
    context.run();
    return here.figures();
}

}  // namespace pgtally::bench
