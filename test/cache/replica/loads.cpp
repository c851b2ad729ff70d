// Loads of more rows than PostgreSQL sends at once: while some are taken, the next ones are on the way.

#include <pgtally/test/cache/replica/sets.hpp>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_loads, tweets)

namespace {

// Two batches and a half.
constexpr char const* many =
    "insert into activity (messageid, action) select i, 'rt' from generate_series(1001, 26000) i";

}  // namespace

BOOST_AUTO_TEST_CASE(all_rows_of_several_batches_are_served)
{
    sql(many);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running_set it{executor, set_config(dsn())};
        co_await it.until_live();
        BOOST_TEST(it.set->find("tweets")->table().nonzero() == 25'003U);
        for (auto const* key : {"1001", "11000", "11001", "26000"}) {
            BOOST_TEST(it.shown(key) == (std::vector<std::int64_t>{1, 0}));
        }
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_load_that_fails_while_rows_are_on_the_way_is_followed_by_one_that_does_not)
{
    sql(many);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto chosen = set_config(dsn());
        chosen.limits.max_keys = 1'000;
        running_set it{executor, std::move(chosen)};
        auto failed = [&] {
            auto const* const tally = it.set->find("tweets");
            return tally != nullptr && tally->state() == cache::state::failed;
        };
        co_await eventually(executor, failed);
        BOOST_TEST(it.set->find("tweets")->reason().text().find("more than 1000 keys") != std::string::npos);
        sql("delete from activity where messageid > 1000");
        it.set->reset("tweets");
        co_await it.until_live();
        BOOST_TEST(it.set->find("tweets")->table().nonzero() == 3U);
        co_await it.stop();
    });
}

BOOST_AUTO_TEST_SUITE_END()
