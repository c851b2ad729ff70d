// What a replica passes to the callbacks of its subscriptions.

#include <pgtally/test/cache/replica/fixture.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_subscription, tweets)

namespace {

using counted = std::tuple<std::int64_t, std::int64_t>;

bool at(mirror const& of, std::string const& key, std::int64_t rts, std::int64_t favs)
{
    auto const found = of.values.find(key);
    return found != of.values.end() && found->second == counted{rts, favs};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_snapshot_first_then_what_changes)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        mirror named, all, late;
        auto const early = it.replica->subscribe({33, 35}, [&](auto const& told) { named.take(told); });
        auto const every = it.replica->subscribe_all([&](auto const& told) { all.take(told); });
        co_await it.until_live();
        BOOST_TEST(named.values.size() == 2U);
        BOOST_TEST(at(named, "33", 2, 1));
        BOOST_TEST(at(named, "35", 0, 0));
        BOOST_TEST(all.values.size() == 3U);
        auto const after = it.replica->subscribe({"33", "nobody"}, [&](auto const& told) { late.take(told); });
        BOOST_TEST(late.calls == 0);
        auto called = [&] { return late.calls == 1; };
        co_await eventually(executor, called);
        BOOST_TEST(late.values.size() == 1U);
        BOOST_TEST(at(late, "33", 2, 1));
        sql("insert into activity (messageid, action) values (35, 'fav'), (36, 'rt')");
        auto told = [&] { return at(named, "35", 0, 1) && at(all, "35", 0, 1) && at(all, "36", 1, 0); };
        co_await eventually(executor, told);
        BOOST_TEST(named.calls == 2);
        BOOST_TEST(all.calls == 2);
        BOOST_TEST(late.calls == 1);
        sql("delete from activity where messageid = 33");
        auto gone = [&] { return at(named, "33", 0, 0) && at(all, "33", 0, 0) && at(late, "33", 0, 0); };
        co_await eventually(executor, gone);
        it.replica->stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(one_call_a_turn_with_the_newest_values)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        co_await it.until_live();
        int calls = 0;
        std::vector<std::int64_t> seen;
        auto const sub = it.replica->subscribe({33}, [&](auto const& told) {
            ++calls;
            BOOST_TEST(told.size() == 1U);
            for (auto const& [key, counters] : told) {
                BOOST_TEST(key.number() == 33);
                BOOST_TEST((counters == it.replica->get(33)));
                seen.push_back(counters["rts"]);
            }
        });
        auto first = [&] { return calls == 1; };
        co_await eventually(executor, first);
        // They arrive while this coroutine does not read, so that they are all of one turn.
        auto const x = write(
            "do $$ begin for i in 1 .. 50 loop insert into activity (messageid, action) values (33, 'rt'); "
            "end loop; end $$");
        co_await it.replica->applied(x);
        auto second = [&] { return seen.back() == 52; };
        co_await eventually(executor, second);
        BOOST_TEST(seen.front() == 2);
        BOOST_TEST(std::ranges::is_sorted(seen));
        BOOST_TEST(calls < 10);
        it.replica->stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(it_may_subscribe_and_unsubscribe_inside)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        auto& replica = *it.replica;
        pgtally::replica::subscription self, other, inner;
        int self_calls = 0, other_calls = 0;
        mirror nested;
        std::size_t iterated = 0;
        auto handler = [&](auto const& told) {
            ++self_calls;
            self = {};
            other = {};
            inner = replica.subscribe_all([&](auto const& again) { nested.take(again); });
            for (auto const& [key, counters] : told) iterated += counters.size();  // copies stay valid
        };
        self = replica.subscribe({33, 34}, handler);
        other = replica.subscribe({34}, [&](auto const&) { ++other_calls; });
        co_await it.until_live();
        auto called = [&] { return nested.calls > 0; };
        co_await eventually(executor, called);
        co_await replica.applied(write("insert into activity (messageid, action) values (34, 'rt')"));
        auto told = [&] { return at(nested, "34", 1, 1); };
        co_await eventually(executor, told);
        BOOST_TEST(self_calls == 1);
        BOOST_TEST(other_calls == 0);
        BOOST_TEST(iterated == 4U);
        replica.stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(it_may_destroy_the_replica_inside)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        int calls = 0;
        auto const sub = it.replica->subscribe_all([&](auto const& told) {
            ++calls;
            it.replica.reset();
            BOOST_TEST(told.size() == 3U);
            for (auto const& [key, counters] : told) BOOST_TEST(counters.size() == 2U);
        });
        co_await it.until_ended();
        BOOST_TEST(calls == 1);
    });
}

BOOST_AUTO_TEST_CASE(a_handle_may_outlive_the_replica)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        pgtally::replica::subscription one, two;
        int calls = 0;
        {
            running it{executor, config()};
            one = it.replica->subscribe_all([&](auto const&) { ++calls; });
            co_await it.until_live();
            two = it.replica->subscribe({33}, [&](auto const&) { ++calls; });
            it.replica.reset();
            co_await it.until_ended();
        }
        BOOST_TEST(calls == 1);
        one = {};
        auto moved = std::move(two);
    });
}

BOOST_AUTO_TEST_CASE(it_goes_on_when_the_tally_is_made_anew)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        std::map<std::string, std::int64_t> shown;
        auto const sub = it.replica->subscribe({33}, [&](auto const& told) {
            for (auto const& [key, counters] : told) shown[counters.name(0)] = counters[0];
        });
        co_await it.until_live();
        auto const before = it.replica->epoch();
        sql("select tally.drop_tally('tweets')");
        sql("select tally.create_tally(name => 'tweets', source => 'activity', key => 'messageid::text', "
            "counters => '{\"likes\": \"1\"}')");
        auto told = [&] { return shown.contains("likes"); };
        co_await eventually(executor, told);
        BOOST_TEST(shown["likes"] == 3);
        BOOST_TEST(it.replica->epoch() != before);
        it.replica->stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(more_keys_than_allowed_are_refused)
{
    asio::io_context context;
    auto chosen = config();
    chosen.limits.max_tracked_keys = 2;
    pgtally::replica replica{context.get_executor(), chosen};
    auto const two = replica.subscribe({1, 2}, [](auto const&) {});
    BOOST_CHECK_THROW((void)replica.subscribe({1, 2, 3}, [](auto const&) {}), std::length_error);
}

// As with any handler, the exception leaves the context's run(); the replica continues.
BOOST_AUTO_TEST_CASE(what_it_throws_comes_out_of_the_context)
{
    asio::io_context context;
    pgtally::replica replica{context.get_executor(), config()};
    asio::co_spawn(context, replica.run(), [](std::exception_ptr) {});
    auto const sub = replica.subscribe({33}, [](auto const&) { throw std::domain_error{"mine"}; });
    BOOST_CHECK_THROW(context.run_for(30s), std::domain_error);
    BOOST_TEST((replica.state() == cache::state::live));
    replica.stop();
    context.run_for(30s);
    BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_SUITE_END()
