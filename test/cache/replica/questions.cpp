// A top, the sums and a rank of a replica, and subscriptions to them.

#include <pgtally/test/cache/replica/fixture.hpp>

#include <stdexcept>
#include <string>

using namespace pgtally;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_replica_questions, tweets)

namespace {

// 35 1, 33 2: the keys with their places.
std::string text_of(std::vector<ranked_key> const& keys)
{
    std::string out;
    for (auto const& each : keys) out += (out.empty() ? "" : ", ") + each.key.text() + ' ' + std::to_string(each.place);
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(they_are_empty_before_the_first_load_and_answer_later)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        auto& replica = *it.replica;
        auto const early = co_await replica.top("favs", 3);
        BOOST_TEST(early.empty());
        BOOST_TEST(replica.sum().counters.empty());
        co_await it.until_live();
        auto const x = write("insert into activity (messageid, action) values (35, 'fav'), (35, 'fav')");
        co_await replica.applied(x);
        auto const top = co_await replica.top("favs", 2);
        BOOST_TEST(top.size() == 2U);
        BOOST_TEST(top.front().key.number() == 35);
        BOOST_TEST(top.front().counters["favs"] == 2);
        auto const rank = co_await replica.rank("favs", 35, 1);
        BOOST_TEST(rank.place.value() == 1U);
        BOOST_TEST(rank.of == replica.size());
        BOOST_TEST(text_of(rank.around) == "35 1, " + top[1].key.text() + " 2");
        auto const nobody = co_await replica.rank("favs", "nobody", 1);
        BOOST_TEST(!nobody.place);
        bool refused = false;
        try {
            co_await replica.top("nope", 2);
        } catch (std::out_of_range const&) {
            refused = true;
        }
        BOOST_TEST(refused);
        replica.stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_CASE(subscribers_get_each_other_answer)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        running it{executor, config()};
        auto& replica = *it.replica;
        std::string top, around;
        int calls = 0;
        key_sums sums;
        std::optional<std::uint64_t> place;
        auto const a = replica.subscribe_top("favs", 1, [&](auto const& now) {
            ++calls;
            top = text_of(now);
        });
        auto const b = replica.subscribe_sum([&](auto const& now) { sums = now; });
        auto const c = replica.subscribe_rank("favs", 50, 0, [&](auto const& now) {
            place = now.place;
            around = text_of(now.around);
        });
        co_await it.until_live();
        BOOST_TEST(calls == 1);
        BOOST_TEST(!place);
        auto const x = write("insert into activity (messageid, action) select 50, 'fav' from generate_series(1, 5)");
        co_await replica.applied(x);
        auto told = [&] { return top == "50 1" && around == "50 1" && sums.size == replica.size(); };
        co_await eventually(executor, told);
        bool const same = sums.counters == replica.sum().counters;
        BOOST_TEST(same);
        BOOST_TEST(place.value() == 1U);
        auto const before = calls;
        co_await replica.applied(write("insert into activity (messageid, action) values (51, 'fav')"));
        auto counted = [&] { return sums.size == replica.size(); };
        co_await eventually(executor, counted);
        BOOST_TEST(calls == before);
        replica.stop();
        co_await it.until_ended();
    });
}

BOOST_AUTO_TEST_SUITE_END()
