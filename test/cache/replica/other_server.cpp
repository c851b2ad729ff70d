// After a failover a name leads to another server, whose definitions may differ without an event. Here the definitions are
// changed without one.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_other_server, tweets)

namespace {

constexpr char const* define_otherwise = "update tally.definition set key = '(messageid)'";
constexpr char const* define_as_before = "update tally.definition set key = 'messageid'";

}  // namespace

BOOST_AUTO_TEST_CASE(load_of_another_definition_is_refused)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql(define_otherwise);
        auto const other = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((other.outcome == audit_outcome::changed));
        BOOST_TEST(other.why == "its definition in the database differs from the one that was read");
        BOOST_TEST((it.set->find("tweets")->state() == cache::state::live));
        sql(define_as_before);
        auto const same = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((same.outcome == audit_outcome::compared), same.why);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(definitions_are_read_by_each_connection_that_reads_them)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const epoch = it.set->find("tweets")->epoch();
        sql(define_otherwise);
        // Ends all connections but the one that listens, and leaves them time to be made anew.
        auto const* const end_control =
            "select count(pg_terminate_backend(pid))::text from pg_stat_activity "
            "where datname = current_database() and query not ilike '%listen%' "
            "and pid <> pg_backend_pid()";
        auto defined_anew = [&, polls = 0]() mutable {
            if (it.set->find("tweets")->epoch() != epoch) return true;
            if (polls++ % 3000 == 0) sql(end_control);
            return false;
        };
        co_await eventually(executor, defined_anew);
        co_await it.until_live();
        BOOST_TEST(it.set->stats().reconnects == 0U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(first_connection_ends_the_pauses_of_the_others)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto patient = set_config(dsn());
        patient.database.retry.first = patient.database.retry.cap = 10min;
        running_set it{executor, patient};
        co_await it.until_live();
        auto const is_live = [&] { return it.set->find("tweets")->state() == cache::state::live; };
        sql("select count(pg_terminate_backend(pid))::text from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()");
        auto lost = [&] { return !is_live(); };
        co_await eventually(executor, lost);
        cache::xid const future{1'000'000'000};
        // Each question about a transaction, here one of the future, wakes the control connection: it is made anew.
        while (!is_live()) {
            auto const until = std::chrono::steady_clock::now() + 10ms;
            co_await it.set->applied("tweets", future, until);
        }
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
