#include "anomalies.hpp"
#include "article_keeper.hpp"
#include "own_replica.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr auto between_looks = 5ms;

// True if a connection of that name waits for a lock that this backend holds.
constexpr char const* waits_sql = R"(
select exists (select from pg_locks l join pg_stat_activity a using (pid)
                where not l.granted and l.relation = 'pgtally_lab.activity'::regclass and a.application_name = $1
                  and $2::int = any (pg_blocking_pids(l.pid))))";

// The articles' service and a replica, which follow the same table, and the connection that retweets.
struct stage {
    explicit stage(laboratory& in) : lab(in), writer(in.executor()) {}

    laboratory& lab;
    db::connection writer;
    std::optional<article_keeper> article{};
    std::optional<own_replica> ours{};
};

struct verdict {
    std::int64_t truth = 0;
    std::int64_t article = 0;
    std::int64_t ours = 0;
};

asio::awaitable<void> retweet(stage& on, std::int64_t messageid)
{
    co_await on.writer.query("insert into activity (messageid, action) values ($1, 'rt')", messageid);
}

asio::awaitable<void> see_replica_wait(stage& on)
{
    asio::steady_timer timer(on.lab.executor());
    auto const until = std::chrono::steady_clock::now() + patience;
    auto const holding = static_cast<std::int32_t>(on.writer.backend_pid());
    for (;;) {
        auto const waits = co_await on.lab.director().query_as<bool>(waits_sql, on.ours->name(), holding);
        if (waits.one()) co_return;
        if (std::chrono::steady_clock::now() > until) throw refused("the replica did not begin to load within 30 s");
        timer.expires_after(between_looks);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<verdict> judge(stage& on, std::int64_t messageid)
{
    co_await on.article->catch_up();
    co_await on.ours->catch_up();
    auto const truth = co_await on.lab.director().query_as<std::int64_t>(
        "select rts from message_with_counters where messageid = $1", messageid);
    verdict said;
    said.truth = truth.one();
    said.article = on.article->rts(messageid);
    said.ours = on.ours->rts(messageid);
    co_return said;
}

// A retweet commits after both have sent LISTEN and before either has loaded. The replica's load takes a lock
// that a writer can block.
asio::awaitable<verdict> between_listen_and_load(stage& on, std::int64_t messageid)
{
    co_await on.writer.query("begin");
    co_await on.writer.query("lock table activity in access exclusive mode");
    on.article.emplace(on.lab);
    co_await on.article->listen();
    on.ours.emplace(on.lab);
    on.ours->start();
    co_await see_replica_wait(on);
    co_await retweet(on, messageid);
    co_await on.writer.query("commit");
    co_await on.article->load();
    co_await on.ours->until_live();
    auto const said = co_await judge(on, messageid);
    co_return said;
}

asio::awaitable<verdict> three_in_one_transaction(stage& on, std::int64_t messageid)
{
    co_await on.writer.query("begin");
    for (int i = 0; i < 3; ++i) co_await retweet(on, messageid);
    co_await on.writer.query("commit");
    auto const said = co_await judge(on, messageid);
    co_return said;
}

// The service receives nothing while it is disconnected. The replica's connections are terminated too; when it
// reconnects does not matter.
asio::awaitable<verdict> while_away(stage& on, std::int64_t messageid)
{
    co_await retweet(on, messageid);
    auto const before = co_await judge(on, messageid);
    static_cast<void>(before);
    on.article->hang_up();
    co_await on.lab.director().query(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = $1", on.ours->name());
    co_await retweet(on, messageid);
    co_await on.article->listen();
    auto const said = co_await judge(on, messageid);
    co_return said;
}

// The number of the service is the one in its table, because only the table survives a restart.
asio::awaitable<verdict> restart(stage& on, std::int64_t messageid)
{
    for (int i = 0; i < 5; ++i) co_await retweet(on, messageid);
    co_await on.article->catch_up();
    co_await on.article->materialize();
    on.article.emplace(on.lab);
    co_await on.article->listen();
    co_await on.article->load();
    co_await on.article->materialize();
    on.ours.emplace(on.lab);
    on.ours->start();
    co_await on.ours->until_live();
    auto said = co_await judge(on, messageid);
    auto const kept =
        co_await on.lab.director().query_as<std::int64_t>("select rts from counters where messageid = $1", messageid);
    said.article = kept.one();
    co_return said;
}

void enter(section& into, char const* name, verdict said, char const* how)
{
    auto& bars = into.charts.front().bars;
    std::size_t series = 0;
    for (auto const value : {said.truth, said.article, said.ours}) {
        bars.push_back({series == 0 ? name : "", static_cast<double>(value), number(value).text, series});
        ++series;
    }
    into.data.add({words(name), number(said.truth), number(said.article), number(said.ours)});
    into.says.push_back(std::string(name) + ": " + how);
}

section empty_section(std::string const& version)
{
    section found{"the articles' service, and pgtally through the same, PostgreSQL " + version,
                  table({{"anomaly", "anomaly"},
                         {"truth", "truth", align::right},
                         {"articles' service", "article", align::right},
                         {"pgtally", "pgtally", align::right}})};
    chart drawn{"What each says", "retweets"};
    drawn.series = {"truth", "articles' service", "pgtally"};
    found.charts.push_back(std::move(drawn));
    found.says.emplace_back(
        "The retweets of a message: counted by SQL, by a client that works like the articles' service, and by a "
        "replica. Both follow the same table at the same time.");
    return found;
}

}  // namespace

asio::awaitable<std::vector<section>> service_anomalies(laboratory& lab, std::int64_t first)
{
    co_await lab.reset(first, 4);
    co_await lab.director().script(std::string(article_keeper::setup) + anomalies_tally);
    stage on(lab);
    auto settings = lab.worker_settings();
    co_await on.writer.connect(std::move(settings));

    auto found = empty_section(lab.server_version());
    auto said = co_await between_listen_and_load(on, first);
    enter(found, "counted twice at the start", said,
          "a retweet commits after LISTEN and before the counters are read. It is both read and notified. pgtally "
          "drops an event if its transaction is visible in the snapshot of the load.");
    said = co_await three_in_one_transaction(on, first + 1);
    enter(found, "folded events", said,
          "three retweets in one transaction send three equal payloads, and PostgreSQL delivers equal payloads of a "
          "transaction once. pgtally numbers its events.");
    said = co_await while_away(on, first + 2);
    enter(found, "missed while away", said,
          "one retweet is heard, the connection is lost, another retweet commits, and the client reconnects: "
          "notifications in between are never sent again. pgtally loads again after each reconnect.");
    said = co_await restart(on, first + 3);
    enter(found, "the past added again", said,
          "five retweets are materialized. The service restarts, reads the counters, and at its next materialization "
          "adds them to its table, which already contains them. The number is that of its table. A replica that "
          "restarts serves what it loads and adds nothing to a table.");
    std::vector<section> all;
    all.push_back(std::move(found));
    co_return all;
}

}  // namespace pgtally::lab
