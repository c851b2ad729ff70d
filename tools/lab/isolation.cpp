#include "experiments.hpp"
#include "isolation_levels.hpp"
#include "retweets.hpp"
#include "statistics.hpp"

#include <pgtally/db/attempt.hpp>
#include <pgtally/db/transaction.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;

constexpr char const* statement = "update message set rts = rts + 1 where messageid = $1";

struct run {
    load work;
    db::transaction_options how;
    db::retry_options retry;
    progress& shown;
    std::vector<std::chrono::microseconds> latencies{};
    std::int64_t begun = 0;     // transactions
    std::int64_t given_up = 0;  // retweets, after the maximum number of attempts
};

asio::awaitable<void> update_once(std::shared_ptr<run> of, db::transaction& tx, std::int64_t messageid)
{
    ++of->begun;
    co_await tx.query(statement, messageid);
}

bool may_be_tried_again(db::error const& failure)
{
    return failure.state().is("40001") || failure.state().is("40P01");
}

asio::awaitable<void> retweet_all(std::shared_ptr<run> of, db::connection& own)
{
    for (std::size_t i = 0; i < of->work.retweets; ++i) {
        auto const body = [of](db::transaction& tx) { return update_once(of, tx, of->work.message); };
        auto const sent = clock::now();
        auto const done = co_await db::attempt(db::in_transaction(own, of->how, of->retry, body));
        if (done) {
            of->latencies.push_back(std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - sent));
        } else if (may_be_tried_again(done.error())) {
            ++of->given_up;
        } else {
            throw done.error();
        }
        of->shown.tick();
    }
}

table empty_table()
{
    return table({{"isolation level", "level"},
                  {"seconds", "seconds", align::right},
                  {"retweets/s", "retweets_per_second", align::right},
                  {"p50 ms", "p50_ms", align::right},
                  {"p99 ms", "p99_ms", align::right},
                  {"acknowledged", "acknowledged", align::right},
                  {"transactions", "transactions", align::right},
                  {"failures", "serialization_failures", align::right},
                  {"given up", "given_up", align::right},
                  {"counter", "counter", align::right},
                  {"exact", "exact"}});
}

asio::awaitable<std::vector<cell>> try_out(laboratory& lab, isolation_level level, isolation_options chosen,
                                           progress& shown)
{
    auto const& work = chosen.work;
    co_await lab.reset(work.message, 1);
    db::transaction_options how;
    how.level = level.value;
    db::retry_options retry;
    retry.attempts = static_cast<unsigned>(chosen.attempts);
    auto const of = std::make_shared<run>(run{work, how, retry, shown});
    shown.begin(level.name, work.workers * work.retweets);
    job each = [of](db::connection& own, std::size_t) { return retweet_all(of, own); };
    auto const took = co_await crew(lab.worker_settings(), work.workers, std::move(each));

    auto const answer =
        co_await lab.director().query_as<std::int64_t>("select rts from message where messageid = $1", work.message);
    auto const rts = answer.one();
    auto const acknowledged = static_cast<std::int64_t>(of->latencies.size());
    auto const milliseconds = [&](double share) {
        return decimal(static_cast<double>(percentile(of->latencies, share).count()) / 1'000.0, 2);
    };
    bool const none = of->latencies.empty();
    std::vector<cell> row{words(level.name),
                          decimal(std::chrono::duration<double>(took).count(), 2),
                          decimal(per_second(of->latencies.size(), took), 0),
                          none ? nothing() : milliseconds(0.5),
                          none ? nothing() : milliseconds(0.99),
                          number(acknowledged),
                          number(of->begun),
                          number(of->begun - acknowledged),
                          number(of->given_up),
                          number(rts),
                          yes_or_no(rts == acknowledged)};
    co_return row;
}

}  // namespace

asio::awaitable<report> isolation(laboratory& lab, isolation_options chosen, progress& shown)
{
    section found{describe(chosen.work) + ", in place, PostgreSQL " + lab.server_version(), empty_table()};
    for (auto const& level : isolation_levels()) {
        auto row = co_await try_out(lab, level, chosen, shown);
        found.data.add(std::move(row));
    }
    shown.end();
    found.says = {
        "Under read committed an update that had to wait reads the row again and adds to the new value, so nothing "
        "fails. Under the other two levels it would have to change a row version that its snapshot does not see, and "
        "fails with 40001 instead. All transactions that waited for one commit fail together and retry after a "
        "pause. A client that does not retry loses the retweet, but the counter is exact under all three levels.",
        "\"transactions\" are all that were begun, \"failures\" those that ended with a serialization failure "
        "(40001, or 40P01 for a deadlock), \"given up\" retweets that failed " +
            std::to_string(chosen.attempts) + " times. The latency of a retweet holds its failures and pauses."};
    found.charts.push_back(chart_of(found.data, "level", "retweets_per_second", "Throughput", "retweets a second"));
    found.charts.push_back(chart_of(found.data, "level", "p99_ms", "Latency of a retweet, p99", "ms"));
    report all{"isolation", settings_of(chosen.work, lab.server_version())};
    all.settings["attempts"] = chosen.attempts;
    all.sections.push_back(std::move(found));
    co_return all;
}

}  // namespace pgtally::lab
