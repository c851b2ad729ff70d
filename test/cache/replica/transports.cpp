// Several transports in one replica set, with tallies on each.

#include <pgtally/test/cache/replica/second_transport.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_transports, votes)

namespace {

cache::state state_of(running_set& of, char const* tally)
{
    return of.set->find(tally)->state();
}

bool live(running_set& of, char const* tally)
{
    return of.set->find(tally) != nullptr && state_of(of, tally) == cache::state::live;
}

std::vector<std::int64_t> count(std::int64_t n)
{
    return {n};
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_tally_follows_its_own_transport_and_no_other)
{
    follow_by("wal");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, both()};
        co_await it.until_live("votes");
        co_await it.until_live("tweets");
        BOOST_TEST(seen->prepared >= 1);
        BOOST_TEST(it.shown("1", "votes") == count(2));
        auto const written = cache::xid{vote("1")};
        bool const applied = co_await it.set->applied("votes", written, std::chrono::steady_clock::now() + 30s);
        BOOST_TEST(applied);
        co_await it.settle(*this);  // the trigger's notification has arrived too
        BOOST_TEST(it.shown("1", "votes") == count(3));
        BOOST_TEST(it.set->stats().transports.at("wal").position > 0U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(several_callers_wait_for_one_barrier)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, both()};
        co_await it.until_live();
        auto const barrier = it.set->expect_barrier();
        int back = 0, ended = 0;
        auto on_end = [&](std::exception_ptr thrown, bool came) {
            BOOST_TEST(!thrown);
            back += came ? 1 : 0;
            ++ended;
        };
        for (auto const at_most : {1ms, 30'000ms, 30'000ms})
            asio::co_spawn(executor, barrier->came_back(at_most), on_end);
        auto one_gave_up = [&] { return ended == 1; };
        co_await eventually(executor, one_gave_up);
        sql("select pg_notify('tally', '{\"barrier\":\"" + barrier->id() + "\"}')");
        auto all_ended = [&] { return ended == 3; };
        co_await eventually(executor, all_ended);
        BOOST_TEST(back == 2);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(own_barrier_by_another_transport_than_the_tally_does_not_prove_a_write)
{
    follow_by("wal");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, both()};
        co_await it.until_live("votes");
        auto const by_notify = it.set->expect_barrier();
        sql("select pg_notify('tally', '{\"barrier\":\"" + by_notify->id() + "\"}')");
        bool const back = co_await by_notify->came_back(30s);
        BOOST_TEST(back);
        auto const soon = std::chrono::steady_clock::now() + 300ms;
        bool const proven = co_await by_notify->applied("votes", std::nullopt, soon);
        BOOST_TEST(!proven);
        auto const by_wal = it.set->expect_barrier();
        sql("select pg_notify('tally_wal', '{\"barrier\":\"" + by_wal->id() + "\"}')");
        auto const later = std::chrono::steady_clock::now() + 30s;
        bool const applied = co_await by_wal->applied("votes", std::nullopt, later);
        BOOST_TEST(applied);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(loss_concerns_the_tallies_of_that_transport_only)
{
    follow_by("wal");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto config = both();
        config.heartbeat = 5s;  // so that a slow machine loses no other transport
        running_set it{executor, std::move(config)};
        co_await it.until_live("votes");
        co_await it.until_live("tweets");
        auto const changes = it.set->find("tweets")->state_changes();
        end_listener();
        auto again = [&] { return it.set->stats().reconnects == 1; };
        co_await eventually(executor, again);
        co_await it.until_live("votes");
        vote("1");
        auto exact = [&] { return it.shown("1", "votes") == count(3); };
        co_await eventually(executor, exact);
        BOOST_TEST(it.set->find("tweets")->state_changes() == changes);
        BOOST_TEST(it.set->trouble().empty());
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(deafness_concerns_the_tallies_of_that_transport_only)
{
    follow_by("wal");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto config = both();
        config.heartbeat = 1s;  // the other transport hears in time, on a slow machine too
        running_set it{executor, std::move(config)};
        co_await it.until_live("votes");
        co_await it.until_live("tweets");
        auto const changes = it.set->find("tweets")->state_changes();
        seen->hears = false;
        auto deaf = [&] {
            auto const& reason = it.set->find("votes")->reason().text();
            return reason.find("no event by transport wal is delivered") != std::string::npos;
        };
        co_await eventually(executor, deaf);
        BOOST_TEST(!live(it, "votes"));
        vote("1");
        seen->hears = true;
        co_await it.until_live("votes");
        BOOST_TEST(it.shown("1", "votes") == count(3));
        BOOST_TEST(it.set->find("tweets")->state_changes() == changes);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(transport_that_is_not_there_fails_its_tally_until_the_definition_names_another)
{
    follow_by("pigeon");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live("tweets");
        auto failed = [&] { return it.set->find("votes") != nullptr && state_of(it, "votes") == cache::state::failed; };
        co_await eventually(executor, failed);
        BOOST_TEST(it.set->find("votes")->reason().text().starts_with(
                       "its events travel by transport pigeon, which this server does not have"),
                   it.set->find("votes")->reason().text());
        follow_by("notify");
        co_await it.until_live("votes");
        BOOST_TEST(it.shown("1", "votes") == count(2));
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(transport_is_in_use_while_a_tally_follows_it)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, both()};
        co_await it.until_live("votes");
        BOOST_TEST(seen->made == 0);
        for (int i = 1; i <= 2; ++i) {
            follow_by("wal");
            auto made = [&] { return seen->made == i && live(it, "votes"); };
            co_await eventually(executor, made);
            vote("2");
            auto exact = [&] { return it.shown("2", "votes") == count(1 + i); };
            co_await eventually(executor, exact);
            follow_by("notify");
            auto stopped = [&] { return seen->stopped == i && live(it, "votes"); };
            co_await eventually(executor, stopped);
            BOOST_TEST(it.shown("2", "votes") == count(1 + i));
        }
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(part_of_a_transaction_restarts_the_transport)
{
    follow_by("wal");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, both()};
        co_await it.until_live("votes");
        seen->ends_transactions = false;
        auto restarted = [&] {
            auto const& reason = it.set->find("votes")->reason().text();
            return reason.find("delivered an incomplete transaction") != std::string::npos;
        };
        co_await eventually(executor, restarted);
        BOOST_TEST(!live(it, "votes"));
        seen->ends_transactions = true;
        co_await it.until_live("votes");
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
