#include <pgtally/server/api/action_queue.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_action_queue)

namespace {

using item = action_queue::item;

item action(std::string key, std::string transport = "notify")
{
    auto out = std::make_shared<queued_action>();
    out->what.key = std::move(key);
    out->transport = std::move(transport);
    return out;
}

std::string keys(std::vector<item> const& all)
{
    std::string out;
    for (auto const& each : all) out += each->what.key;
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_batch_is_what_waits_in_its_order)
{
    action_queue queue{10, 4};
    for (auto const* const key : {"a", "b", "c", "d", "e"}) BOOST_TEST(queue.add(action(key)));
    BOOST_TEST(keys(queue.take(3)) == "abc");
    BOOST_TEST(keys(queue.take(1)) == "d");
    BOOST_TEST(keys(queue.take(3)) == "e");
    BOOST_TEST(queue.empty());
    BOOST_TEST(keys(queue.take(3)) == "");
}

BOOST_AUTO_TEST_CASE(a_batch_has_one_transport)
{
    action_queue queue{10, 4};
    queue.add(action("a"));
    queue.add(action("b", "wal"));
    queue.add(action("c", "wal"));
    queue.add(action("d"));
    BOOST_TEST(keys(queue.take(9)) == "a");
    BOOST_TEST(keys(queue.take(9)) == "bc");
    BOOST_TEST(keys(queue.take(9)) == "d");
}

BOOST_AUTO_TEST_CASE(what_was_undone_comes_first_and_runs_alone)
{
    action_queue queue{10, 4};
    for (auto const* const key : {"a", "b", "c"}) queue.add(action(key));
    auto const batch = queue.take(9);
    queue.add(action("d"));
    queue.add(action("e"));
    queue.put_back({batch[0], batch[2]});
    BOOST_TEST(keys(queue.take(9)) == "a");
    BOOST_TEST(keys(queue.take(9)) == "c");
    BOOST_TEST(keys(queue.take(9)) == "de");
}

BOOST_AUTO_TEST_CASE(it_is_bounded_and_an_action_can_leave)
{
    action_queue queue{2, 4};
    auto const one = action("a");
    BOOST_TEST(queue.add(one));
    BOOST_TEST(queue.add(action("b")));
    BOOST_TEST(!queue.add(action("c")));
    BOOST_TEST(queue.remove(one));
    BOOST_TEST(!queue.remove(one));
    BOOST_TEST(queue.add(action("c")));
    BOOST_TEST(keys(queue.take(9)) == "bc");
}

BOOST_AUTO_TEST_CASE(a_connection_more_has_to_be_worth_it)
{
    action_queue queue{10, 3};
    auto const wants = [&](std::size_t busy, std::size_t coming) { return queue.wants_connection(busy, coming); };
    BOOST_TEST(!wants(0, 0));
    queue.add(action("a"));
    BOOST_TEST(wants(0, 0));
    BOOST_TEST(!wants(0, 1));
    BOOST_TEST(!wants(1, 0));
    queue.add(action("b"));
    BOOST_TEST(!wants(1, 0));
    queue.add(action("c"));
    BOOST_TEST(wants(1, 0));
    BOOST_TEST(wants(3, 0));
    BOOST_TEST(!wants(0, 1));
    for (auto const* const key : {"d", "e", "f"}) queue.add(action(key));
    BOOST_TEST(wants(0, 1));
    BOOST_TEST(!wants(0, 2));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
