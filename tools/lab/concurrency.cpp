#include "compare.hpp"
#include "experiments.hpp"
#include "keeper.hpp"
#include "retweets.hpp"
#include "statistics.hpp"
#include "strategy.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::lab {
namespace {

table empty_table()
{
    return table({{"strategy", "strategy"},
                  {"seconds", "seconds", align::right},
                  {"retweets/s", "retweets_per_second", align::right},
                  {"p50 ms", "p50_ms", align::right},
                  {"p99 ms", "p99_ms", align::right},
                  {"acknowledged", "acknowledged", align::right},
                  {"errors", "errors"},
                  {"counter", "counter", align::right},
                  {"exact", "exact"},
                  {"first de-rt", "first_de_rt", align::right}});
}

// A message without retweets: its first action takes a retweet back.
std::int64_t untouched(load const& work) noexcept
{
    return work.message + static_cast<std::int64_t>(work.spread);
}

std::vector<std::int64_t> messages_of(load const& work)
{
    std::vector<std::int64_t> all;
    for (auto id = work.message; id <= untouched(work); ++id) all.push_back(id);
    return all;
}

std::vector<cell> row_of(strategy const& by, load const& work, retweet_outcome& done, comparison const& found)
{
    auto const seconds = std::chrono::duration<double>(done.took).count();
    auto const milliseconds = [&](double share) {
        return decimal(static_cast<double>(percentile(done.latencies, share).count()) / 1'000.0, 2);
    };
    auto const none = done.latencies.empty();
    return {words(std::string(by.name)),
            decimal(seconds, 2),
            decimal(per_second(done.latencies.size(), done.took), 0),
            none ? nothing() : milliseconds(0.5),
            none ? nothing() : milliseconds(0.99),
            number(done.acknowledged_in_all()),
            errors_cell(done.errors),
            number(found.rts),
            yes_or_no(found.exact),
            by.takes_back ? number(found.of(untouched(work))) : nothing()};
}

std::vector<cell> absent_row(strategy const& by)
{
    std::vector<cell> row(empty_table().columns().size(), nothing());
    row.front() = words(std::string(by.name));
    return row;
}

// Throws absent instead if the strategy may be that.
asio::awaitable<void> prepare(laboratory& lab, strategy const& by, keeper& kept)
{
    std::string setup;
    for (auto const part : by.setup) setup += part;
    try {
        if (!setup.empty()) co_await lab.director().script(std::move(setup));
        co_await kept.start();
    } catch (refused const& failure) {
        if (by.may_be_absent) throw absent(failure.what());
        throw;
    } catch (db::error const& failure) {
        if (!by.may_be_absent || failure.code() != db::errc::server_error) throw;
        auto const hint = failure.hint();
        throw absent(std::string(failure.primary()) + (hint.empty() ? "" : "; remedy: " + std::string(hint)));
    }
}

asio::awaitable<std::vector<cell>> try_out(laboratory& lab, strategy const& by, load work, progress& shown)
{
    co_await lab.reset(work.message, work.spread);
    if (by.keeper == keeper_kind::replica) co_await have_schema_tally(lab, shown);
    auto const kept = make_keeper(lab, by);
    co_await prepare(lab, by, *kept);
    shown.begin(std::string(by.name), work.workers * work.retweets);
    auto done = co_await retweet(lab.worker_settings(), work, std::string(by.retweet), shown);
    if (by.takes_back) {
        co_await lab.director().query("insert into activity (messageid, action) values ($1, 'de-rt')", untouched(work));
    }
    auto messages = messages_of(work);
    auto const counts = co_await kept->read(std::move(messages));
    auto const found = compare(counts, work.message, done.acknowledged);
    co_return row_of(by, work, done, found);
}

}  // namespace

asio::awaitable<report> concurrency(laboratory& lab, concurrency_options chosen, progress& shown)
{
    section found{describe(chosen.work) + ", PostgreSQL " + lab.server_version(), empty_table()};
    found.says.emplace_back(
        "The latency is that of one retweet, as its worker sees it. The counter is exact if it equals, at the end "
        "and for each message, the number of acknowledged retweets. \"first de-rt\" is the counter of a message "
        "whose first action takes a retweet back; -1 is right.");
    for (auto const* by : strategies()) {
        auto const& names = chosen.strategies;
        if (std::find(names.begin(), names.end(), by->name) == names.end()) continue;
        std::string why;
        std::vector<cell> row;
        try {
            row = co_await try_out(lab, *by, chosen.work, shown);
        } catch (absent const& missing) {
            why = missing.what();
            row = absent_row(*by);
        }
        found.data.add(std::move(row));
        found.says.push_back(std::string(by->name) + ": " + std::string(by->says));
        if (!why.empty()) found.says.push_back(std::string(by->name) + " did not run: " + why);
    }
    shown.end();
    found.charts.push_back(chart_of(found.data, "strategy", "retweets_per_second", "Throughput", "retweets a second"));
    found.charts.push_back(chart_of(found.data, "strategy", "p99_ms", "Latency of a retweet, p99", "ms"));
    report all{"concurrency", settings_of(chosen.work, lab.server_version())};
    all.sections.push_back(std::move(found));
    co_return all;
}

}  // namespace pgtally::lab
