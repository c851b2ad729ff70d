#include <pgtally/test/cache/replica/fixture.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <limits>
#include <stdexcept>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica, tweets)

namespace {

// Waits for this many turns of the event loop, and for some time.
asio::awaitable<void> pass(asio::any_io_executor executor, int turns)
{
    for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
    asio::steady_timer timer{executor};
    timer.expires_after(turns * 200us);
    co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

BOOST_AUTO_TEST_CASE(get_answers_by_number_and_by_text)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        auto& replica = *it.replica;
        BOOST_TEST(replica.get(33).empty());
        BOOST_CHECK_THROW(replica.get(33)["rts"], std::out_of_range);
        BOOST_TEST(replica.epoch().empty());
        BOOST_TEST((replica.state() == cache::state::loading));
        co_await it.until_live();
        BOOST_TEST(replica.get(33)["rts"] == 2);
        BOOST_TEST(replica.get("33")["favs"] == 1);
        BOOST_TEST(replica.get(-7)[0] == 1);
        BOOST_TEST(replica.get(33).name(1) == "favs");
        BOOST_TEST(replica.get(33).size() == 2U);
        BOOST_CHECK_THROW(replica.get(33)["likes"], std::out_of_range);
        BOOST_CHECK_THROW(replica.get(33)[2], std::out_of_range);
        for (auto const& nobody : {any_key{35}, any_key{"033"}, any_key{"everybody"}, any_key{""}}) {
            BOOST_TEST(replica.get(nobody)["rts"] == 0);
        }
        BOOST_TEST(replica.size() == 3U);
        BOOST_TEST(replica.epoch().size() == 36U);
        BOOST_TEST(replica.revision() > 0U);
        BOOST_TEST(replica.reason().empty());
        replica.stop();
        co_await it.until_ended();
        BOOST_TEST((replica.state() == cache::state::stale));
        BOOST_TEST(replica.get(33)["rts"] == 2);
    });
}

BOOST_AUTO_TEST_CASE(a_key_is_the_same_by_number_and_by_text)
{
    BOOST_TEST(any_key{33} == any_key{"33"});
    BOOST_TEST(any_key{"-9223372036854775808"}.number() == std::numeric_limits<std::int64_t>::min());
    BOOST_CHECK_THROW(any_key{"x"}.number(), std::invalid_argument);
    BOOST_CHECK_THROW(any_key{"33 "}.number(), std::invalid_argument);
}

// The state shows faults, and recovers when the database does.
BOOST_AUTO_TEST_CASE(state_follows_the_tally_and_tells_why)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        sql("select tally.drop_tally('tweets')");
        std::vector<cache::state> told;
        auto chosen = config();
        pgtally::replica* who = nullptr;
        chosen.on_state = [&] { told.push_back(who->state()); };
        running it{executor, chosen};
        who = it.replica.get();
        auto failed = [&] { return it.replica->state() == cache::state::failed; };
        co_await eventually(executor, failed);
        BOOST_TEST((it.replica->reason().find("tally tweets does not exist") != std::string::npos));
        sql("select tally.create_tally(name => 'tweets', source => 'activity', key => 'messageid', "
            "counters => '{\"likes\": \"1\"}')");
        co_await it.until_live();
        BOOST_TEST(it.replica->get(33)["likes"] == 3);
        BOOST_TEST((told.front() == cache::state::failed));
        BOOST_TEST((told.back() == cache::state::live));
        it.replica->stop();
        co_await it.until_ended();
        BOOST_TEST((told.back() == cache::state::stale));
    });
}

BOOST_AUTO_TEST_CASE(stop_ends_run_in_every_state)
{
    proxy silent{cluster::shared().port()};
    silent.stall();
    auto const port = std::to_string(cluster::shared().port());
    auto through = dsn();
    through.replace(through.find(port), port.size(), std::to_string(silent.port()));
    for (auto const& where : {dsn(), through, cluster::shared().dsn("nowhere"), std::string{"host=127.0.0.1 port=1"}}) {
        for (int turns = 0; turns < 300; turns = turns * 2 + 1) {
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                running it{executor, config(where)};
                co_await pass(executor, turns);
                it.replica->stop();
                co_await it.until_ended();
            });
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                running it{executor, config(where)};
                co_await pass(executor, turns);
                it.replica.reset();
                co_await it.until_ended();
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(stop_before_run_and_twice_and_while_live)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        pgtally::replica replica{executor, config()};
        replica.stop();
        replica.stop();
        co_await replica.run();
        running it{executor, config()};
        co_await it.until_live();
        bool refused = false;
        try {
            co_await it.replica->run();
        } catch (std::logic_error const&) {
            refused = true;
        }
        BOOST_TEST(refused);
        it.replica.reset();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(cancelled_run_is_a_stop)
{
    for (int turns = 0; turns < 300; turns = turns * 2 + 1) {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            pgtally::replica replica{executor, config()};
            asio::cancellation_signal cancel;
            std::exception_ptr thrown;
            bool ended = false;
            auto handler = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr by) {
                thrown = by;
                ended = true;
            });
            asio::co_spawn(executor, replica.run(), std::move(handler));
            co_await pass(executor, turns);
            cancel.emit(asio::cancellation_type::terminal);
            auto over = [&] { return ended; };
            co_await eventually(executor, over);
            BOOST_TEST(static_cast<bool>(thrown));
        });
    }
}

// As at the end of main(): the replica is destroyed first, then the context with the coroutines that wait in it.
BOOST_AUTO_TEST_CASE(a_context_that_is_left_early_leaves_nothing_behind)
{
    for (int turns = 0; turns < 200; turns = turns * 2 + 1) {
        asio::io_context context;
        pgtally::replica replica{context.get_executor(), config()};
        auto const sub = replica.subscribe_all([](auto const&) {});
        auto const nothing = [](std::exception_ptr, auto...) {};
        asio::co_spawn(context, replica.run(), nothing);
        asio::co_spawn(context, replica.applied(1'000'000'000), nothing);
        for (int i = 0; i < turns; ++i) context.run_one_for(5ms);
    }
}

BOOST_AUTO_TEST_CASE(a_log_that_throws_is_ignored)
{
    tweets const database;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto config = database.config();
        config.log = [](db::level, std::string_view) { throw std::runtime_error{"the disk is full"}; };
        running it{executor, std::move(config)};
        co_await it.until_live();
        it.replica->stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_SUITE_END()
