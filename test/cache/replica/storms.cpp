// Any role can send events at any rate. They cause loads and readings of the definitions, but starve no tally.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_storms, tweets)

namespace {

using counters = std::vector<std::int64_t>;

std::string event(std::string const& tally, std::string const& what)
{
    return "'{\"t\":\"" + tally + "\",\"x\":\"' || pg_current_xact_id() || '\",\"n\":' || i || ',\"" + what +
           "\":true}'";
}

// Sends events, each in its own transaction, as fast as possible, until `stop`.
struct storm {
    storm(asio::any_io_executor executor, std::string dsn, std::string payload)
    {
        spawn(executor, blow(executor, std::move(dsn), std::move(payload), state));
    }

    asio::awaitable<void> stop(asio::any_io_executor executor)
    {
        state->over = true;
        auto ended = [this] { return state->ended; };
        co_await eventually(executor, ended);
    }

    struct shared {
        bool over = false, ended = false;
        int sent = 0;
    };

    static asio::awaitable<void> blow(asio::any_io_executor executor, std::string dsn, std::string payload,
                                      std::shared_ptr<shared> state)
    {
        auto const connection = co_await connect(executor, std::move(dsn));
        while (!state->over) {
            co_await connection->query("select pg_notify('tally', " + payload + ") from generate_series(1, 20) as i");
            ++state->sent;
        }
        state->ended = true;
    }

    std::shared_ptr<shared> state = std::make_shared<shared>();
};

std::uint64_t loads_of(running_set const& it, load_cause cause)
{
    auto const& loads = it.set->stats().tallies.at("tweets").loads;
    auto const at = loads.find(cause);
    return at == loads.end() ? 0 : at->second;
}

constexpr char const* second_tally = "select tally.create_tally('rows', 'activity', 'messageid')";

}  // namespace

BOOST_AUTO_TEST_CASE(reloads_are_loads_at_a_bounded_rate_and_the_values_go_on)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        sql(second_tally);
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        co_await it.until_live("rows");
        auto const began = std::chrono::steady_clock::now();
        storm reloads{executor, dsn(), event("tweets", "reload")};
        auto many = [&] { return reloads.state->sent > 50 && loads_of(it, load_cause::reload) >= 6; };
        co_await eventually(executor, many);
        sql("insert into activity (messageid, action) values (33, 'rt')");
        auto seen = [&] {
            BOOST_TEST((it.set->find("rows")->state() == cache::state::live));
            return it.shown("33") == counters{3, 1};
        };
        co_await eventually(executor, seen);
        auto const seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
        BOOST_TEST(loads_of(it, load_cause::reload) <= 6U + static_cast<std::uint64_t>(seconds));
        std::uint64_t others = 0;
        for (auto const& [cause, times] : it.set->stats().tallies.at("rows").loads) others += times;
        BOOST_TEST(others == 1U);
        BOOST_TEST(it.lines_with("cannot load") == 0U);
        co_await reloads.stop(executor);
        co_await it.until_live();
        BOOST_TEST(it.shown("33") == (counters{3, 1}));
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(definitions_of_one_tally_do_not_hold_up_another)
{
    for (auto const* const whose : {"tweets", "nope"}) {
        tweets own;
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            own.sql(second_tally);
            running_set it{executor, set_config(own.dsn())};
            co_await it.until_live();
            co_await it.until_live("rows");
            storm definitions{executor, own.dsn(), event(whose, "definition")};
            auto many = [&] { return definitions.state->sent > 50; };
            co_await eventually(executor, many);
            it.set->reset("rows");
            auto reset = [&] { return it.set->stats().tallies.at("rows").loads.at(load_cause::reset) > 0; };
            co_await eventually(executor, reset);
            own.sql("select tally.create_tally('third', 'activity', 'messageid')");
            co_await it.until_live("third");
            auto const report = co_await it.set->audit("rows", 30s);
            BOOST_TEST((report.outcome == audit_outcome::compared), report.why);
            own.sql("insert into activity (messageid, action) values (33, 'rt')");
            auto counted = [&] { return it.shown("33", "rows") == counters{4}; };
            co_await eventually(executor, counted);
            co_await definitions.stop(executor);
            co_await it.until_live();
            BOOST_TEST(it.shown("33") == (counters{3, 1}));
            co_await it.stop();
        });
    }
}

// No fence contains a forged event of a transaction that does not exist. It must not cause an endless series of loads.
BOOST_AUTO_TEST_CASE(a_reload_from_the_future_is_one_load)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        sql(R"(select pg_notify('tally', '{"t":"tweets","x":"9223372036854775807","n":1,"reload":true}'))");
        auto loaded = [&] { return loads_of(it, load_cause::reload) == 1; };
        co_await eventually(executor, loaded);
        co_await it.until_live();
        co_await it.settle(*this);
        BOOST_TEST((it.set->find("tweets")->state() == cache::state::live));
        BOOST_TEST(loads_of(it, load_cause::reload) == 1U);
        co_await it.stop();
    });
}

// Junk at any rate causes one log line every ten seconds, which quotes none of it.
BOOST_AUTO_TEST_CASE(junk_does_not_fill_the_log)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        auto const began = std::chrono::steady_clock::now();
        for (int i = 0; i < 20; ++i) {
            sql("select pg_notify('tally', 'geheim ' || i) from generate_series(1, 500) as i");
            co_await it.settle(*this);
        }
        BOOST_TEST(it.set->stats().events_dropped.at("not_json") == 10'000U);
        auto const seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
        BOOST_TEST(it.lines_with("no events of a tally here") <= 1U + static_cast<std::size_t>(seconds) / 10);
        BOOST_TEST(it.lines_with("no events of a tally here") >= 1U);
        BOOST_TEST(it.lines_with("geheim") == 0U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
