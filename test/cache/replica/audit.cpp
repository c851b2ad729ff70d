// Audits while writers continue.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_audit, tweets)

namespace {

using counters = std::vector<std::int64_t>;

// Changes rows while the triggers are disabled, and enables the triggers again.
constexpr char const* unseen = R"(
alter table activity disable trigger all;
insert into activity (messageid, action) values (33, 'rt'), (40, 'fav');
delete from activity where messageid = -7;
do $$
declare
  name text;
begin
  for name in select tgname from pg_trigger where tgrelid = 'activity'::regclass loop
    execute format('alter table activity enable always trigger %I', name);
  end loop;
end
$$;)";

std::string forged(std::string const& rest, std::string const& x = "' || pg_current_xact_id() || '")
{
    return "select pg_notify('tally', '{\"t\":\"tweets\",\"x\":\"" + x + "\",\"n\":1," + rest + "}')";
}

cache::drift const* of(audit_report const& report, std::string const& key)
{
    auto const at = std::ranges::find(report.drifted, key, &cache::drift::key);
    return at == report.drifted.end() ? nullptr : &*at;
}

}  // namespace

BOOST_AUTO_TEST_CASE(finds_nothing_where_nothing_is_wrong)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const revision = it.set->find("tweets")->revision();
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((report.outcome == audit_outcome::compared), report.why);
        BOOST_TEST(report.keys == 3U);
        BOOST_TEST(report.differed == 0U);
        BOOST_TEST(report.drifted.empty());
        BOOST_TEST(report.reasons.empty());
        BOOST_TEST(it.set->find("tweets")->revision() == revision);
        auto const& count = it.set->stats().tallies.at("tweets");
        BOOST_TEST(count.loads.at(load_cause::audit) == 1U);
        BOOST_TEST(count.audits_equal + count.audits_drift == 1U);
        BOOST_TEST(count.drift_keys == 0U);
        BOOST_TEST(it.audited.size() == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(finds_and_mends_what_nobody_told)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const revision = it.set->find("tweets")->revision();
        sql(unseen);
        co_await it.settle(*this);
        BOOST_TEST(it.shown("33") == (counters{2, 1}));
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST_REQUIRE((report.outcome == audit_outcome::compared), report.why);
        BOOST_TEST(report.keys == 4U);
        BOOST_TEST(report.differed == 3U);
        BOOST_TEST_REQUIRE(report.drifted.size() == 3U);
        BOOST_TEST_REQUIRE(of(report, "33"));
        BOOST_TEST(of(report, "33")->served == (counters{2, 1}));
        BOOST_TEST(of(report, "33")->truth == (counters{3, 1}));
        BOOST_TEST(of(report, "40")->served == (counters{0, 0}));
        BOOST_TEST(of(report, "-7")->truth == (counters{0, 0}));
        BOOST_TEST((report.counters == std::vector<std::string>{"rts", "favs"}));
        BOOST_TEST_REQUIRE(report.reasons.size() == 1U);
        BOOST_TEST((report.reasons[0].find("triggers were off") != std::string::npos), report.reasons[0]);
        BOOST_TEST(it.shown("33") == (counters{3, 1}));
        BOOST_TEST(it.shown("40") == (counters{0, 1}));
        BOOST_TEST(it.shown("-7") == (counters{0, 0}));
        BOOST_TEST(it.set->find("tweets")->revision() == revision + 1);
        BOOST_TEST(it.set->stats().tallies.at("tweets").drift_keys == 3U);
        BOOST_TEST(it.lines_with("key \"33\" showed rts=2 favs=1, the truth is rts=3 favs=1") == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(names_what_is_wrong_with_the_source)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql("alter table activity disable trigger all; insert into activity (messageid, action) values (1, 'rt')");
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST(report.differed == 1U);
        BOOST_TEST_REQUIRE(!report.reasons.empty());
        BOOST_TEST((report.reasons[0].find("trigger of public.activity is disabled") != std::string::npos ||
                    report.reasons[0].find("is disabled") != std::string::npos),
                   report.reasons[0]);
        co_await it.stop();
    });
}

// While writers of every kind continue, an audit must report no drift.
BOOST_AUTO_TEST_CASE(is_exact_while_writers_write)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        bool over = false;
        int writing = 0;
        auto const writer = [&](int seed) -> asio::awaitable<void> {
            ++writing;
            auto const connection = co_await connect(executor, dsn());
            for (int i = 0; !over; ++i) {
                auto const key = std::to_string((i * 7 + seed) % 40);
                co_await connection->query("begin");
                co_await connection->query("insert into activity (messageid, action) select " + key +
                                           ", 'rt' from generate_series(1, 3)");
                co_await connection->query("savepoint s");
                co_await connection->query("update activity set messageid = messageid + 1 where messageid = " + key);
                if (i % 3 == 0) co_await connection->query("rollback to savepoint s");
                if (i % 5 == 0) co_await connection->query("delete from activity where messageid = " + key);
                co_await connection->query(i % 4 == 0 ? "rollback" : "commit");
                if (i % 50 == 49) co_await connection->query("truncate activity");
            }
            --writing;
        };
        for (int i = 0; i < 2; ++i) spawn(executor, writer(i));
        for (int i = 0; i < 200; ++i) {
            auto const report = co_await it.set->audit("tweets", 30s);
            BOOST_TEST((report.outcome == audit_outcome::compared), report.why);
            BOOST_TEST(report.differed == 0U);
        }
        over = true;
        auto ended = [&] { return writing == 0; };
        co_await eventually(executor, ended);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_forged_event_is_found_and_mended)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        for (auto const* const rest : {R"("d":[["33",5,0],["99",0,1]])", R"("truncate":true)"}) {
            sql(forged(rest));
            co_await it.settle(*this);
            BOOST_TEST(it.shown("33") != (counters{2, 1}));
            auto const report = co_await it.set->audit("tweets", 30s);
            BOOST_TEST((report.outcome == audit_outcome::compared), report.why);
            BOOST_TEST(report.differed > 0U);
            BOOST_TEST(it.shown("33") == (counters{2, 1}));
            BOOST_TEST(it.shown("99") == (counters{0, 0}));
            auto const again = co_await it.set->audit("tweets", 30s);
            BOOST_TEST(again.differed == 0U);
        }
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(an_event_of_a_transaction_that_is_not_over_was_forged)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql(forged(R"("d":[["33",5,0]])", "9223372036854775807"));
        co_await it.settle(*this);
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST_REQUIRE(!report.reasons.empty());
        BOOST_TEST((report.reasons[0].find("transaction 9223372036854775807") != std::string::npos));
        sql(forged(R"("d":[["33",5,0]])"));
        co_await it.settle(*this);
        auto const other = co_await it.set->audit("tweets", 30s);
        BOOST_TEST(other.differed == 1U);
        BOOST_TEST_REQUIRE(other.reasons.size() == 1U);
        BOOST_TEST((other.reasons[0].find("transaction") == std::string::npos));
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(one_at_a_time)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const lock = co_await connect(executor, dsn());
        co_await lock->script("begin; lock table activity in access exclusive mode");
        audit_under_way first{it};
        auto begun = [&] { return it.set->stats().tallies.at("tweets").loads.at(load_cause::audit) > 0; };
        co_await eventually(executor, begun);
        auto const second = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((second.outcome == audit_outcome::running));
        auto const unknown = co_await it.set->audit("nope", 30s);
        BOOST_TEST((unknown.outcome == audit_outcome::unknown));
        // Other loads wait for the audit.
        it.set->reset("tweets");
        co_await lock->query("commit");
        auto const report = co_await first.result(executor);
        BOOST_TEST((report.outcome == audit_outcome::compared), report.why);
        auto reset = [&] { return it.set->stats().tallies.at("tweets").loads.at(load_cause::reset) > 0; };
        co_await eventually(executor, reset);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(who_has_no_time_hears_that_it_goes_on)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const lock = co_await connect(executor, dsn());
        co_await lock->script("begin; lock table activity in access exclusive mode");
        auto const report = co_await it.set->audit("tweets", 1ms);
        BOOST_TEST((report.outcome == audit_outcome::late));
        co_await lock->query("commit");
        auto compared = [&] { return it.set->stats().tallies.at("tweets").audits_equal == 1; };
        co_await eventually(executor, compared);
        BOOST_TEST(it.lines_with("an audit compared 3 keys, 0 of them differed") == 1U);
        co_await it.stop();
    });
}

// Each of these causes ends an audit that waits for the source's lock.
BOOST_AUTO_TEST_CASE(cannot_compare_what_stopped_being_live)
{
    struct fault {
        char const* statement;
        audit_outcome expected;
    };
    fault const faults[] = {
        {"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike "
         "'listen%'",
         audit_outcome::lost},
        {"select pg_notify('tally', '{\"t\":\"tweets\",\"x\":\"' || pg_current_xact_id() || "
         "'\",\"n\":1,\"reload\":true}')",
         audit_outcome::lost},
        {"select pg_notify('tally', '{\"t\":\"tweets\",\"x\":\"' || pg_current_xact_id() || "
         "'\",\"n\":1,\"definition\":true}')",
         audit_outcome::lost},
    };
    for (auto const& each : faults) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running_set it{executor, set_config(dsn())};
            co_await it.until_live();
            auto const lock = co_await connect(executor, dsn());
            co_await lock->script("begin; lock table activity in access exclusive mode");
            audit_under_way audit{it};
            auto begun = [&] { return it.set->stats().tallies.at("tweets").loads.at(load_cause::audit) > 0; };
            co_await eventually(executor, begun);
            sql(each.statement);
            auto const report = co_await audit.result(executor);
            BOOST_TEST((report.outcome == each.expected), each.statement);
            BOOST_TEST(!report.why.empty());
            co_await lock->query("commit");
            co_await it.until_live();
            auto const again = co_await it.set->audit("tweets", 30s);
            BOOST_TEST((again.outcome == audit_outcome::compared), again.why);
            BOOST_TEST(again.differed == 0U);
            co_await it.stop();
        });
    }
}

BOOST_AUTO_TEST_CASE(a_tally_that_is_dropped_or_a_set_that_stops_ends_it)
{
    for (bool const dropped : {false, true}) {
        tweets own;
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running_set it{executor, set_config(own.dsn())};
            co_await it.until_live();
            auto const lock = co_await connect(executor, own.dsn());
            co_await lock->script("begin; lock table activity in access exclusive mode");
            audit_under_way audit{it};
            auto begun = [&] { return it.set->stats().tallies.at("tweets").loads.at(load_cause::audit) > 0; };
            co_await eventually(executor, begun);
            if (dropped) {
                co_await lock->script("select tally.drop_tally('tweets'); commit");
            } else {
                it.set->stop();
            }
            auto const report = co_await audit.result(executor);
            BOOST_TEST((report.outcome == audit_outcome::stopped || report.outcome == audit_outcome::changed ||
                        report.outcome == audit_outcome::lost));
            BOOST_TEST((report.outcome == audit_outcome::stopped) == !dropped);
            co_await it.stop();
        });
    }
}

// Dropping a tally releases its lock before the event arrives. The outcome must be the same without any event.
BOOST_AUTO_TEST_CASE(a_tally_that_is_not_there_any_more_has_changed)
{
    for (bool const waits : {false, true}) {
        tweets own;
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            running_set it{executor, set_config(own.dsn())};
            co_await it.until_live();
            auto const lock = co_await connect(executor, own.dsn());
            co_await lock->script("begin; lock table activity in access exclusive mode");
            if (!waits) co_await lock->script("delete from tally.definition; commit");
            audit_under_way audit{it};
            auto blocked = [&] {
                return own.sql(
                           "select exists (select from pg_locks where not granted and "
                           "relation = 'activity'::regclass)") == "t";
            };
            if (waits) co_await eventually(executor, blocked);
            if (waits) co_await lock->script("delete from tally.definition; commit");
            auto const report = co_await audit.result(executor);
            BOOST_TEST((report.outcome == audit_outcome::changed), report.why);
            BOOST_TEST(!report.why.empty());
            co_await it.stop();
        });
    }
}

BOOST_AUTO_TEST_CASE(an_audit_that_fails_leaves_the_tally_alone)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const loads = it.set->stats().tallies.at("tweets").loads;
        sql("alter function tally.truth(text) rename to truth_gone");
        auto const report = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((report.outcome == audit_outcome::failed));
        BOOST_TEST((report.why.find("42883") != std::string::npos), report.why);
        BOOST_TEST((it.set->find("tweets")->state() == cache::state::live));
        sql("alter function tally.truth_gone(text) rename to truth");
        sql("insert into activity (messageid, action) values (33, 'rt')");
        co_await it.settle(*this);
        BOOST_TEST(it.shown("33") == (counters{3, 1}));
        auto const times = [](auto const& of) {
            std::uint64_t all = 0;
            for (auto const& [cause, each] : of) all += each;
            return all;
        };
        BOOST_TEST(times(it.set->stats().tallies.at("tweets").loads) == times(loads) + 1);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
