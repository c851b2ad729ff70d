// Materialized tables in PostgreSQL, with small limits.

#include <pgtally/server/cli/install_script.hpp>
#include <pgtally/server/materialize/materializers.hpp>
#include <pgtally/test/support/cluster.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

namespace pgtally::server {

namespace {

using namespace std::chrono_literals;
using pgtally::test::cluster;

struct materializers_fixture {
    materializers_fixture()
    {
        sql(install_script(schema_files(), {}, {}));
        sql("create schema s; create table s.likes (post bigint);"
            "select tally.create_tally('likes', 's.likes', 'post', materialize => 's.kept')");
    }

    std::string sql(std::string const& statement) const { return cluster::shared().sql(statement, database); }

    // Whether the table equals the truth.
    bool exact() const
    {
        return sql("select count(*) from (select key::text, count from s.kept where count <> 0) as k full join "
                   "(select key, counters[1] as count from tally.truth('likes')) as t using (key, count) "
                   "where k is null or t is null") == "0";
    }

    void start()
    {
        replica_set::config chosen;
        chosen.database.conninfo = cluster::shared().dsn(database);
        chosen.on_turn = [this] { kept->on_replicas_changed(); };
        replicas.emplace(io.get_executor(), chosen);
        kept.emplace(io.get_executor(), *replicas, chosen.database, every, bounds);
        auto const on_end = [this](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
            ++ended;
        };
        asio::co_spawn(io, replicas->run(), on_end);
        asio::co_spawn(io, kept->run(), on_end);
    }

    template <class Condition>
    void until(Condition what)
    {
        auto const longest = std::chrono::steady_clock::now() + 30s;
        while (!what()) {
            BOOST_TEST_REQUIRE((std::chrono::steady_clock::now() < longest));
            io.run_one_for(20ms);
        }
    }

    void stop()
    {
        kept->cut();
        replicas->stop();
        until([this] { return ended == 2; });
    }

    std::uint64_t failures() { return kept->stats().tallies.at("likes").failures; }
    std::uint64_t refused() { return kept->stats().tallies.at("likes").refused; }

    std::string database = cluster::shared().create_database();
    limits bounds;
    std::chrono::milliseconds every = 10ms;
    asio::io_context io{1};
    std::optional<replica_set> replicas;
    std::optional<materializers> kept;
    int ended = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_materializers, materializers_fixture)

BOOST_AUTO_TEST_CASE(a_statement_that_takes_too_long_is_tried_again)
{
    bounds.materialize_timeout = 1s;
    sql("create function s.slow() returns trigger language plpgsql as 'begin perform pg_sleep(30); return new; end';"
        "create trigger slow before insert on s.kept execute function s.slow(); insert into s.likes values (1), (1), "
        "(2)");
    start();
    until([this] { return !kept->stats().tallies.empty() && failures() > 0; });
    BOOST_TEST(!exact());
    sql("drop trigger slow on s.kept");
    until([this] { return exact(); });
    BOOST_TEST(refused() == 0U);
    stop();
}

BOOST_AUTO_TEST_CASE(refused_rows_are_looked_for_with_pauses)
{
    bounds.materialize_batch_keys = 16;
    bounds.max_materialize_splits = 6;
    sql("alter table s.kept add check (key % 3 <> 0); insert into s.likes select generate_series(1, 100)");
    start();
    until([this] { return sql("select count(*) from s.kept") == "67"; });
    until([this] { return refused() == 33; });
    BOOST_TEST(kept->stats().keys == 67U);
    stop();
}

BOOST_AUTO_TEST_CASE(tables_are_read_and_written_in_small_parts)
{
    bounds.materialize_batch_keys = 3;
    bounds.materialize_list_keys = 5;
    bounds.materialize_rows = 7;
    sql("insert into s.likes select generate_series(1, 100); insert into s.kept select i, 9 from generate_series(50, "
        "200) as i");
    start();
    until([this] { return exact(); });
    sql("delete from s.likes where post % 2 = 0; insert into s.likes select generate_series(90, 120)");
    until([this] { return exact(); });
    sql("update s.kept set count = 77 where key % 5 = 0; delete from s.kept where key % 7 = 0; insert into s.kept "
        "values (-5, 5)");
    kept->full_pass("likes");
    until([this] { return exact(); });
    kept->full_pass("nobody");
    BOOST_TEST(failures() == 0U);
    stop();
}

BOOST_AUTO_TEST_CASE(finish_writes_what_is_left)
{
    every = 1h;
    sql("insert into s.likes values (1)");
    start();
    until([this] { return exact(); });
    sql("insert into s.likes select generate_series(1, 100)");
    until([this] { return replicas->find("likes")->table().nonzero() == 100; });
    kept->finish();
    until([this] { return ended == 1; });
    BOOST_TEST(exact());
    stop();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
