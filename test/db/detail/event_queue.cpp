#include <pgtally/db/detail/event_queue.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>

BOOST_AUTO_TEST_SUITE(test_event_queue)

using namespace pgtally::db;
using pgtally::db::detail::event_queue;

namespace {

event_queue queue_of(std::size_t max_events, std::size_t max_bytes = 1'000'000)
{
    return event_queue({"one", "two"}, max_events, max_bytes);
}

bool push(event_queue& queue, std::string_view payload, std::string_view channel = "one")
{
    return queue.push_notification(channel, payload, backend_pid(7));
}

lost because(std::string reason)
{
    lost why;
    why.reason = std::move(reason);
    return why;
}

// "one:a +1 !gone": notifications, listening, lost.
std::string shown(std::span<event const> events)
{
    std::string text;
    for (auto const& each : events) {
        if (!text.empty()) text += ' ';
        if (auto const* n = std::get_if<notification>(&each)) text.append(n->channel).append(":").append(n->payload);
        else if (auto const* l = std::get_if<listening>(&each)) text += '+' + std::to_string(l->generation);
        else text += '!' + std::get<lost>(each).reason;
    }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(take_gives_all_in_order_once)
{
    auto queue = queue_of(10);
    BOOST_TEST(queue.empty());
    queue.push_listening();
    push(queue, "a");
    push(queue, "", "two");
    queue.push_lost(because("gone"));
    queue.push_listening();
    push(queue, "b", "strange");
    BOOST_TEST(!queue.empty());
    BOOST_TEST(shown(queue.take()) == "+1 one:a two: !gone +2 strange:b");
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.take().empty());
}

BOOST_AUTO_TEST_CASE(batch_stays_while_the_next_one_is_filled)
{
    auto queue = queue_of(100'000);
    std::string const big(5000, 'x');
    for (int i = 0; i < 100; ++i) push(queue, big + std::to_string(i));  // more than the first block holds
    auto const batch = queue.take();
    for (int i = 0; i < 100; ++i) push(queue, std::string(5000, 'y'));
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto const& n = std::get<notification>(batch[i]);
        BOOST_REQUIRE(n.payload == big + std::to_string(i));
        BOOST_REQUIRE((n.sender == backend_pid(7)));
    }
    BOOST_TEST(batch.size() == 100u);
}

BOOST_AUTO_TEST_CASE(too_many_collapse_into_one_listening)
{
    auto queue = queue_of(3);
    queue.push_listening();
    BOOST_TEST(push(queue, "a"));
    BOOST_TEST(push(queue, "b"));
    BOOST_TEST(!push(queue, "c"));
    BOOST_TEST(push(queue, "d"));
    BOOST_TEST(shown(queue.take()) == "+2 one:d");
    BOOST_TEST(queue.generation() == 2u);
}

BOOST_AUTO_TEST_CASE(too_many_bytes_collapse_likewise)
{
    auto queue = queue_of(100, 10);
    BOOST_TEST(push(queue, "0123456789"));
    BOOST_TEST(push(queue, ""));
    BOOST_TEST(!push(queue, "x"));
    BOOST_TEST(push(queue, "0123456789"));
    BOOST_TEST(shown(queue.take()) == "+1 one:0123456789");
    BOOST_TEST(push(queue, "0123456789"));  // the bytes of a batch that was taken do not count
}

BOOST_AUTO_TEST_CASE(payload_larger_than_the_limit_collapses_too)
{
    auto queue = queue_of(100, 10);
    BOOST_TEST(!push(queue, "0123456789x"));
    BOOST_TEST(shown(queue.take()) == "+1");
}

BOOST_AUTO_TEST_CASE(last_of_several_lost_stays)
{
    auto queue = queue_of(3);
    for (int i = 0; i < 10; ++i) queue.push_lost(because(std::to_string(i)));
    BOOST_TEST(shown(queue.take()) == "!9");
}

BOOST_AUTO_TEST_CASE(endless_reconnects_stay_bounded)
{
    auto queue = queue_of(5);
    for (int i = 0; i < 100; ++i) {
        queue.push_lost(because("gone"));
        queue.push_listening();
    }
    auto const events = queue.take();
    BOOST_TEST(events.size() <= 5u);
    BOOST_TEST(std::get<listening>(events.back()).generation == 100u);
}

BOOST_AUTO_TEST_CASE(clear_drops_what_waits)
{
    auto queue = queue_of(5);
    push(queue, "a");
    queue.clear();
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.take().empty());
}

BOOST_AUTO_TEST_SUITE_END()
