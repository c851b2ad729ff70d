// Resets by hand: a reset loads the tally again and does not change its state.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_reset, tweets)

namespace {

using counters = std::vector<std::int64_t>;

bool was_reset(running_set const& it, std::size_t times = 1)
{
    auto const& loads = it.set->stats().tallies.at("tweets").loads;
    auto const at = loads.find(load_cause::reset);
    return at != loads.end() && at->second >= times;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_live_tally_stays_live_and_what_differs_is_a_change)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto& tally = *it.set->find("tweets");
        auto const states = tally.state_changes(), revision = tally.revision();
        sql("select pg_notify('tally', '{\"t\":\"tweets\",\"x\":\"' || pg_current_xact_id() || "
            "'\",\"n\":1,\"d\":[[\"33\",5,0]]}')");
        co_await it.settle(*this);
        BOOST_TEST(it.shown("33") == (counters{7, 1}));
        it.set->reset("tweets");
        auto mended = [&] { return it.shown("33") == counters{2, 1}; };
        co_await eventually(executor, mended);
        BOOST_TEST(tally.state_changes() == states);
        BOOST_TEST(tally.revision() == revision + 2);
        auto told = [&] { return it.lines_with("key \"33\" showed rts=7 favs=1, the truth is rts=2 favs=1") == 1; };
        co_await eventually(executor, told);
        BOOST_TEST(it.set->stats().tallies.at("tweets").drift_keys == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(while_it_is_loading_or_loaded_again_it_comes_afterwards)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const lock = co_await connect(executor, dsn());
        co_await lock->script("begin; lock table activity in access exclusive mode");
        running_set it{executor, set_config(dsn())};
        auto begun = [&] {
            return it.set->find("tweets") != nullptr &&
                   it.set->stats().tallies.at("tweets").loads.at(load_cause::start) > 0;
        };
        co_await eventually(executor, begun);
        it.set->reset("tweets");
        it.set->reset("tweets");
        it.set->reset("nope");
        BOOST_TEST((it.set->find("tweets")->state() == cache::state::loading));
        co_await lock->query("commit");
        auto reset = [&] { return was_reset(it); };
        co_await eventually(executor, reset);
        co_await it.until_live();
        BOOST_TEST(it.shown("33") == (counters{2, 1}));
        BOOST_TEST(it.set->stats().tallies.at("tweets").loads.at(load_cause::reset) == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(while_it_is_stale_it_waits_for_the_transport)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        proxy link{cluster::shared().port()};
        auto const port = std::to_string(cluster::shared().port());
        auto through = dsn();
        through.replace(through.find(port), port.size(), std::to_string(link.port()));
        running_set it{executor, set_config(through)};
        co_await it.until_live();
        link.stall();
        auto stale = [&] { return it.set->find("tweets")->state() == cache::state::stale; };
        co_await eventually(executor, stale);
        sql("insert into activity (messageid, action) values (33, 'rt')");
        it.set->reset("tweets");
        BOOST_TEST(it.shown("33") == (counters{2, 1}));
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((report.outcome == audit_outcome::not_live));
        link.pass();
        co_await it.until_live();
        BOOST_TEST(it.shown("33") == (counters{3, 1}));
        co_await it.stop();
    });
}

// The reset ends the pause before the next attempt.
BOOST_AUTO_TEST_CASE(while_it_is_failed_it_tries_at_once)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        sql("alter function tally.truth(text) rename to away");
        auto chosen = set_config(dsn());
        chosen.database.retry.first = chosen.database.retry.cap = std::chrono::minutes{10};
        running_set it{executor, std::move(chosen)};
        auto failed = [&] {
            return it.set->find("tweets") != nullptr && it.set->find("tweets")->state() == cache::state::failed;
        };
        co_await eventually(executor, failed);
        sql("alter function tally.away(text) rename to truth");
        it.set->reset("tweets");
        co_await it.until_live();
        BOOST_TEST(was_reset(it));
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
