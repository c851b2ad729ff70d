#include "crew.hpp"
#include "experiments.hpp"
#include "readers.hpp"
#include "reading_table.hpp"
#include "strategy.hpp"
#include "write_log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;

// A run of one way, with its writers and readers.
struct run {
    run(asio::any_io_executor executor, reading_options what, progress& where)
        : chosen(std::move(what)), shown(where), gate(executor, clock::time_point::max())
    {
    }

    reading_options chosen;
    progress& shown;
    asio::steady_timer gate;  // cancelled when the writers begin
    std::optional<clock::time_point> until{};
    write_log log{max_retweets_in_all};
    reads found{};
};

void begin(run& of)
{
    if (of.until) return;
    of.until = clock::now() + of.chosen.seconds;
    of.gate.cancel();
}

asio::awaitable<void> wait_for_writers(std::shared_ptr<run> of)
{
    if (of->until) co_return;
    co_await of->gate.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!of->until) throw db::error(asio::error::operation_aborted, "cancelled");
}

asio::awaitable<void> write_on(std::shared_ptr<run> of, db::connection& own)
{
    begin(*of);
    while (clock::now() < *of->until && !of->log.full()) {
        co_await own.query(std::string(insert_retweet), of->chosen.message);
        of->log.acknowledge(clock::now());
    }
}

asio::awaitable<void> read_on(std::shared_ptr<run> of, reader& who)
{
    co_await wait_for_writers(of);
    auto const base = static_cast<std::int64_t>(of->chosen.history);
    for (auto sent = clock::now(); sent < *of->until; sent = clock::now()) {
        auto const value = co_await who.read();
        auto const now = clock::now();
        auto const [writes, age] = of->log.lacks(value - base, now);
        of->found.latencies.add(now - sent);
        of->found.ages.add(age);
        of->found.behinds.add(writes);
        co_await who.pause();
    }
}

asio::awaitable<void> tend(std::shared_ptr<run> of, way_to_read& by)
{
    co_await wait_for_writers(of);
    co_await by.tend(*of->until);
}

asio::awaitable<void> write_all(laboratory& lab, std::shared_ptr<run> of)
{
    job each = [of](db::connection& own, std::size_t) { return write_on(of, own); };
    co_await crew(lab.worker_settings(), of->chosen.writers, std::move(each));
}

// Shows progress in seconds, not in reads.
asio::awaitable<void> tell(std::shared_ptr<run> of)
{
    co_await wait_for_writers(of);
    asio::steady_timer timer(of->gate.get_executor());
    for (auto next = clock::now(); next < *of->until; next += std::chrono::seconds(1)) {
        timer.expires_at(next);
        co_await timer.async_wait(asio::use_awaitable);
        of->shown.tick();
    }
}

asio::awaitable<void> fill(laboratory& lab, reading_options const& chosen)
{
    co_await lab.reset(chosen.message, 1);
    co_await lab.director().query(
        "insert into activity (messageid, action) select $1, 'rt' from generate_series(1, $2::bigint)", chosen.message,
        static_cast<std::int64_t>(chosen.history));
    co_await lab.director().query("analyze activity");
}

asio::awaitable<std::vector<cell>> try_out(laboratory& lab, way_to_read& by, reading_options chosen, progress& shown)
{
    co_await fill(lab, chosen);
    std::string why;
    try {
        co_await by.prepare();
    } catch (absent const& missing) {
        why = missing.what();
    }
    if (!why.empty()) co_return absent_row(by.name(), why);

    std::vector<std::unique_ptr<reader>> readers;
    for (std::size_t i = 0; i < chosen.readers; ++i) {
        auto one = co_await by.open();
        readers.push_back(std::move(one));
    }
    shown.begin(std::string(by.name()) + ", seconds", static_cast<std::size_t>(chosen.seconds.count()));
    auto const of = std::make_shared<run>(lab.executor(), chosen, shown);
    std::vector<asio::awaitable<void>> tasks;
    for (auto const& one : readers) tasks.push_back(read_on(of, *one));
    tasks.push_back(tend(of, by));
    tasks.push_back(tell(of));
    tasks.push_back(write_all(lab, of));
    co_await all(std::move(tasks));

    co_await by.settle();
    auto const said = co_await readers.front()->read();
    auto const truth = co_await lab.director().query_as<std::int64_t>(
        "select count(*) from activity where messageid = $1", chosen.message);
    auto const expected = static_cast<std::int64_t>(chosen.history + of->log.size());
    of->found.written = of->log.size();
    of->found.exact = said == truth.one() && said == expected;
    co_return reading_row(by.name(), of->found, chosen, by.remark());
}

}  // namespace

asio::awaitable<report> reading(laboratory& lab, reading_options chosen, progress& shown)
{
    section found{describe(chosen) + ", PostgreSQL " + lab.server_version(), empty_reading_table()};
    found.says.emplace_back(
        "Each writer inserts one retweet after another, each reader reads the counter as often as it can. The "
        "latency is that of one read. The age of a number, when its reader gets it, is the time since the first "
        "acknowledged write that is missing from it, or 0 if none is missing; \"behind\" is the number of missing "
        "writes. All use one clock, in one process. Exact: after the writers have stopped, the number equals the "
        "retweets before the run plus the acknowledged ones, and equals what SQL counts.");
    co_await lab.reset(chosen.message, 1);
    co_await have_schema_tally(lab, shown);
    auto ways = ways_to_read(lab, chosen);
    for (auto& by : ways) {
        auto row = co_await try_out(lab, *by, chosen, shown);
        shown.end();
        found.data.add(std::move(row));
        found.says.push_back(std::string(by->name()) + ": " + by->says());
        by.reset();  // its server or replica must not run during the next one
    }
    found.charts.push_back(chart_of(found.data, "way", "reads_per_second", "Readers' throughput", "reads a second"));
    found.charts.push_back(chart_of(found.data, "way", "age_p99_ms", "Age of the number, p99", "ms"));
    found.charts.push_back(
        chart_of(found.data, "way", "writes_per_second", "Writers' throughput meanwhile", "writes a second"));
    report all{"reading", settings_of(chosen, lab.server_version())};
    all.sections.push_back(std::move(found));
    co_return all;
}

}  // namespace pgtally::lab
