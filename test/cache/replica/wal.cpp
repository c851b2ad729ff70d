// Transport wal against a real PostgreSQL: what only it does.

#include <pgtally/cache/replica/wal_transport.hpp>
#include <pgtally/test/cache/replica/sets.hpp>

#include <map>
#include <set>

using namespace pgtally;
using namespace pgtally::test;

namespace {

struct wal_tweets : tweets {
    wal_tweets() { follow_by("wal"); }

    void follow_by(std::string const& transport) const
    {
        sql("select tally.alter_tally('tweets', transport => '" + transport + "')");
    }

    std::string truth() const
    {
        return sql(
            "select coalesce(string_agg(key || ' ' || counters::text, ', ' order by key), '') from tally.truth('tweets')");
    }
};

std::string served(running_set& of)
{
    auto const& tally = *of.set->find("tweets");
    std::map<std::string, std::string> rows;
    for (cache::counter_table::slot s = 0; s < tally.table().end(); ++s) {
        if (!tally.table().used(s) || tally.table().is_zero(s)) continue;
        std::string key;
        tally.table().append_key(s, key);
        for (auto const value : tally.table().counters(s))
            rows[key] += (rows[key].empty() ? "" : ",") + std::to_string(value);
    }
    std::string out;
    for (auto const& [key, values] : rows) out += (out.empty() ? "" : ", ") + key + " {" + values + "}";
    return out;
}

std::string reason_of(running_set& of)
{
    auto const* const tally = of.set->find("tweets");
    return tally == nullptr ? std::string{} : tally->reason().text();
}

asio::awaitable<void> until_true(running_set& it, wal_tweets const& of)
{
    co_await it.until_live();
    auto const truth = of.truth();
    auto equal = [&] { return served(it) == truth; };
    co_await eventually(it.executor, equal);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_replica_wal, wal_tweets)

BOOST_AUTO_TEST_CASE(two_servers_show_the_same_positions)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set a{executor, set_config(dsn())}, b{executor, set_config(dsn())};
        co_await a.until_live();
        co_await b.until_live();
        BOOST_TEST(a.set->find("tweets")->epoch() == b.set->find("tweets")->epoch());
        auto const before = std::stoull(sql("select pg_current_wal_lsn() - '0/0'::pg_lsn"));
        write("insert into activity (messageid, action) select i % 3, 'rt' from generate_series(1, 7) i");
        auto const after = std::stoull(sql("select pg_current_wal_lsn() - '0/0'::pg_lsn"));
        co_await until_true(a, *this);
        co_await until_true(b, *this);
        for (auto const key : {0, 1, 2}) {
            auto const at = a.set->find("tweets")->changed_at(cache::key{{}, key});
            BOOST_TEST(at == b.set->find("tweets")->changed_at(cache::key{{}, key}));
            BOOST_TEST(at >= before);
            BOOST_TEST(at < after);
        }
        co_await a.stop();
        co_await b.stop();
    });
}

BOOST_AUTO_TEST_CASE(transport_is_changed_while_writers_write)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        for (auto const* const transport : {"notify", "wal", "notify", "wal"}) {
            write("insert into activity (messageid, action) values (33, 'rt'), (35, 'fav')");
            follow_by(transport);
            write("insert into activity (messageid, action) values (33, 'rt'), (36, 'fav')");
            auto followed = [&] {
                auto const* const tally = it.set->find("tweets");
                return tally != nullptr && tally->definition().transport == transport;
            };
            co_await eventually(executor, followed);
            co_await until_true(it, *this);
        }
        audit_under_way audit{it};
        auto const report = co_await audit.result(executor);
        BOOST_TEST(report.drifted.empty());
        co_await it.stop();
    });
}

// A load waits until transactions end that may have been sent before it began.
BOOST_AUTO_TEST_CASE(old_writer_delays_a_load_and_is_named)
{
    auto const elsewhere = cluster::shared().create_database();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const writer = co_await connect(executor, cluster::shared().dsn(elsewhere));
        co_await writer->query("begin");
        co_await writer->query("select pg_current_xact_id()");
        sql("select tally.reload('tweets')");
        auto const pid = "process " + std::to_string(static_cast<int>(writer->backend_pid())) +
                         " of role postgres in database " + elsewhere;
        auto named = [&] { return reason_of(it).find(pid) != std::string::npos; };
        co_await eventually(executor, named);
        BOOST_TEST(it.set->find("tweets")->reason().in_public() ==
                   "an open transaction in the database must end first");
        BOOST_TEST((it.set->find("tweets")->state() == cache::state::stale));
        co_await writer->query("rollback");
        co_await until_true(it, *this);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(transaction_that_the_slot_waits_for_is_named)
{
    auto const elsewhere = cluster::shared().create_database();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const writer = co_await connect(executor, cluster::shared().dsn(elsewhere));
        co_await writer->query("begin");
        co_await writer->query("select pg_current_xact_id()");
        running_set it{executor, set_config(dsn())};
        auto const pid = "process " + std::to_string(static_cast<int>(writer->backend_pid()));
        auto named = [&] { return reason_of(it).find(pid) != std::string::npos; };
        co_await eventually(executor, named);
        BOOST_TEST(reason_of(it).starts_with("the replication slot waits"), reason_of(it));
        co_await writer->query("commit");
        co_await until_true(it, *this);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(more_wal_than_allowed_is_let_go_and_loaded_again)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto config = set_config(dsn());
        config.wal_limit = 4 << 20;
        running_set it{executor, std::move(config)};
        co_await it.until_live();
        // An open transaction that the decoder knows keeps the slot's beginning where it is.
        auto const writer = co_await connect(executor, dsn());
        co_await writer->query("begin");
        co_await writer->query("select pg_logical_emit_message(true, 'other', '')");
        sql("create table bulk as select repeat('x', 1000) from generate_series(1, 20000)");
        auto dropped = [&] { return it.lines_with("more than --wal-lag-limit") > 0; };
        co_await eventually(executor, dropped);
        co_await writer->query("rollback");
        write("insert into activity (messageid, action) values (35, 'fav')");
        co_await until_true(it, *this);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(transaction_that_is_too_large_is_loaded_instead)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto config = set_config(dsn());
        db::wal_stream_limits few;
        few.max_transaction_bytes = 20'000;
        config.transports.push_back(wal_transport(few));
        running_set it{executor, std::move(config)};
        co_await it.until_live();
        auto const loads = it.lines_with("live after a load");
        write("insert into activity (messageid, action) select i, 'rt' from generate_series(1, 10000) i");
        co_await until_true(it, *this);
        BOOST_TEST(it.lines_with("live after a load") > loads);
        co_await it.stop();
    });
}

// A subscriber never sees a part of a transaction.
BOOST_AUTO_TEST_CASE(transaction_is_applied_whole)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set* of = nullptr;
        std::set<std::string> seen;
        auto config = set_config(dsn());
        config.on_turn = [&] {
            if (of != nullptr && of->set->find("tweets") != nullptr) seen.insert(served(*of));
        };
        running_set it{executor, std::move(config)};
        co_await it.until_live();
        auto const before = served(it);
        of = &it;
        write(
            "insert into activity (messageid, action) values (1001, 'rt'); "
            "insert into activity (messageid, action) select i, 'rt' from generate_series(1, 3000) i; "
            "delete from activity where messageid = 1001; update activity set action = 'fav' where messageid <= 3000");
        co_await until_true(it, *this);
        of = nullptr;
        seen.erase(before);
        BOOST_TEST(seen.size() == 1U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
