// What the database knows and no event says: changed sources, findings, repairs; and events that say too little.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_looks, tweets)

namespace {

using counters = std::vector<std::int64_t>;

std::uint64_t loads_of(running_set const& it, load_cause cause)
{
    auto const& loads = it.set->stats().tallies.at("tweets").loads;
    auto const at = loads.find(cause);
    return at == loads.end() ? 0 : at->second;
}

cache::state state_of(running_set const& it)
{
    return it.set->find("tweets")->state();
}

// An event of tally tweets, in a transaction of its own.
std::string event(std::string const& what)
{
    return R"(select pg_notify('tally', '{"t":"tweets","x":"' || pg_current_xact_id() || '","n":1,)" + what + "}')";
}

constexpr char const* broken = R"("broken":"22012 division by zero")";
constexpr char const* too_wide = R"("d":[["33",1,1,1]])";

}  // namespace

BOOST_AUTO_TEST_CASE(rewritten_source_is_a_load)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql("alter table activity alter messageid type bigint using messageid + 10");
        auto moved = [&] { return it.shown("43") == counters{2, 1} && state_of(it) == cache::state::live; };
        co_await eventually(executor, moved);
        BOOST_TEST(it.shown("33") == (counters{0, 0}));
        BOOST_TEST(loads_of(it, load_cause::look) == 1U);
        BOOST_TEST(it.set->stats().tallies.at("tweets").drift_keys == 0U);
        co_await it.stop();
    });
}

// What is served stays, and no further load comes while nothing else changes.
BOOST_AUTO_TEST_CASE(change_is_one_load)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        int heartbeats = 0;
        auto config = set_config(dsn());
        config.on_heartbeat = [&](double) { ++heartbeats; };
        running_set it{executor, std::move(config)};
        co_await it.until_live();
        auto const epoch = it.set->find("tweets")->epoch();
        sql("alter table activity alter messageid type bigint using messageid + 0");
        auto loaded = [&] { return loads_of(it, load_cause::look) == 1; };
        co_await eventually(executor, loaded);
        co_await it.until_live();
        auto some = [&, until = heartbeats + 4] { return heartbeats >= until; };
        co_await eventually(executor, some);
        BOOST_TEST(loads_of(it, load_cause::look) == 1U);
        BOOST_TEST(it.set->find("tweets")->epoch() == epoch);
        BOOST_TEST((state_of(it) == cache::state::live));
        co_await it.stop();
    });
}

// mastodon#5039
BOOST_AUTO_TEST_CASE(type_of_a_key_changes_and_reload_says_so)
{
    sql("create table s (k int); insert into s values (1); select tally.create_tally('t', 's', 'k')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live("t");
        sql("begin; alter table s alter k type bigint; select tally.reload('t'); commit");
        sql("insert into s values (1), (2), (5000000000)");
        auto counted = [&] { return it.shown("5000000000", "t") == counters{1}; };
        co_await eventually(executor, counted);
        co_await it.until_live("t");
        BOOST_TEST(it.shown("1", "t") == counters{2});
        BOOST_TEST(it.shown("2", "t") == counters{1});
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(type_of_a_key_changes_and_nobody_says_so)
{
    sql("create table s (k int); insert into s values (1); select tally.create_tally('t', 's', 'k')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live("t");
        sql("alter table s alter k type bigint");
        sql("insert into s values (1), (2), (5000000000)");
        auto counted = [&] {
            auto const& tally = *it.set->find("t");
            return tally.state() == cache::state::live && it.shown("5000000000", "t") == counters{1};
        };
        co_await eventually(executor, counted);
        BOOST_TEST(it.shown("1", "t") == counters{2});
        BOOST_TEST(it.shown("2", "t") == counters{1});
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(event_that_does_not_fit_is_one_load)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql(event(too_wide));
        auto loaded = [&] { return loads_of(it, load_cause::definition) == 1; };
        co_await eventually(executor, loaded);
        co_await it.until_live();
        co_await it.settle(*this);
        BOOST_TEST((state_of(it) == cache::state::live));
        BOOST_TEST(loads_of(it, load_cause::definition) == 1U);
        BOOST_TEST(it.set->stats().events_dropped.at("wrong_width") == 1U);
        BOOST_TEST(it.shown("33") == (counters{2, 1}));
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(change_that_could_not_be_counted_fails_until_it_is_loaded)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const lock = co_await connect(executor, dsn());
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        co_await lock->script("begin; lock table activity in access exclusive mode");
        sql(event(broken));
        auto failed = [&] { return state_of(it) == cache::state::failed; };
        co_await eventually(executor, failed);
        BOOST_TEST(it.set->find("tweets")->reason().text() == "a change could not be counted: 22012 division by zero");
        BOOST_TEST(it.shown("33") == (counters{2, 1}));
        co_await lock->script("insert into activity (messageid, action) values (33, 'rt'); commit");
        co_await it.until_live();
        BOOST_TEST(it.shown("33") == (counters{3, 1}));
        BOOST_TEST(loads_of(it, load_cause::broken) == 1U);
        co_await it.stop();
    });
}

// Any role can send these.
BOOST_AUTO_TEST_CASE(storms_of_them_are_loads_at_a_bounded_rate)
{
    for (auto const* const what : {broken, too_wide}) {
        tweets own;
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running_set it{executor, set_config(own.dsn())};
            co_await it.until_live();
            auto const began = std::chrono::steady_clock::now();
            auto const loads = [&] { return loads_of(it, load_cause::broken) + loads_of(it, load_cause::definition); };
            auto many = [&] { return loads() >= load_schedule::max_quick_requests + 2U; };
            auto const sender = co_await connect(executor, own.dsn());
            auto const statement = event(what);
            for (bool enough = false; !enough; enough = many()) co_await sender->query(statement);
            auto const seconds =
                std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
            BOOST_TEST(loads() <= load_schedule::max_quick_requests + 1U + static_cast<std::uint64_t>(seconds));
            co_await it.until_live();
            BOOST_TEST(it.shown("33") == (counters{2, 1}));
            co_await it.stop();
        });
    }
}

BOOST_AUTO_TEST_CASE(missing_trigger_is_repaired)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql("do $$ begin execute (select string_agg(format('drop trigger %I on activity', tgname), ';') from pg_trigger "
            "where tgrelid = 'activity'::regclass and tgname ~ '_insert$'); end $$");
        sql("insert into activity (messageid, action) values (33, 'rt')");
        auto repaired = [&] { return it.lines_with("repaired by tally.reload") == 1; };
        co_await eventually(executor, repaired);
        sql("insert into activity (messageid, action) values (33, 'rt')");
        auto counted = [&] { return it.shown("33") == counters{4, 1} && state_of(it) == cache::state::live; };
        co_await eventually(executor, counted);
        auto resolved = [&] { return it.lines_with("problem resolved") == 1; };
        co_await eventually(executor, resolved);
        BOOST_TEST(it.lines_with("repaired by tally.reload") == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(repair_does_not_wait_for_a_writer_and_says_what_to_do_meanwhile)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const writer = co_await connect(executor, dsn());
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql("alter table activity disable trigger all");
        co_await writer->script("begin; insert into activity (messageid, action) values (33, 'rt')");
        auto refused = [&] { return it.lines_with("tally.reload cannot repair it") >= 1; };
        co_await eventually(executor, refused);
        BOOST_TEST((state_of(it) == cache::state::failed));
        BOOST_TEST(it.set->find("tweets")->reason().text().ends_with("remedy: select tally.reload('tweets')"));
        co_await writer->script("commit");
        auto counted = [&] { return it.shown("33") == counters{3, 1} && state_of(it) == cache::state::live; };
        co_await eventually(executor, counted);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(without_rights_the_state_names_the_remedy)
{
    sql("do $$ begin create role server_of_looks login; exception when duplicate_object then null; end $$");
    sql("select tally.grant_server('server_of_looks')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn() + " user=server_of_looks")};
        co_await it.until_live();
        sql("alter table activity disable trigger all");
        auto failed = [&] { return state_of(it) == cache::state::failed; };
        co_await eventually(executor, failed);
        BOOST_TEST(it.set->find("tweets")->reason().text().ends_with("remedy: select tally.reload('tweets')"));
        BOOST_TEST(it.lines_with("tally.reload cannot repair it") == 0U);
        sql("insert into activity (messageid, action) values (33, 'rt')");
        sql("select tally.reload('tweets')");
        auto counted = [&] { return it.shown("33") == counters{3, 1} && state_of(it) == cache::state::live; };
        co_await eventually(executor, counted);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
