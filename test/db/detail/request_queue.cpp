#include <pgtally/db/detail/request_queue.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(test_request_queue)

using namespace pgtally::db::detail;

namespace {

struct named : queued {
    explicit named(std::string text, std::size_t size = 1) : name(std::move(text)) { bytes = size; }
    std::string name;
};

using queue = request_queue<named>;

constexpr request_limits roomy{100, 1000, 100, 1000};

queue::pointer make(std::string name, std::size_t size = 1)
{
    return std::make_shared<named>(std::move(name), size);
}

// Pushes requests and sends what can be sent; returns what was sent.
std::string send(queue& to)
{
    std::string sent;
    while (auto const next = to.next()) {
        to.wrote();
        sent += next->name;
    }
    return sent;
}

std::string names(std::vector<queue::pointer> const& of)
{
    std::string all;
    for (auto const& each : of) all += each->name;
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(requests_are_sent_and_answered_in_order)
{
    queue requests(roomy);
    for (auto const* name : {"a", "b", "c"}) BOOST_TEST(requests.push(make(name)));
    BOOST_TEST(requests.waiting() == 3u);
    BOOST_TEST(send(requests) == "abc");
    BOOST_TEST(requests.in_flight() == 3u);
    for (auto const* name : {"a", "b", "c"}) {
        auto const front = requests.front();
        BOOST_TEST(front->name == name);
        BOOST_TEST(requests.answered());
        BOOST_TEST((front->state == request_state::done));
    }
    BOOST_TEST(requests.in_flight() == 0u);
    BOOST_TEST(!requests.next());
}

BOOST_AUTO_TEST_CASE(limits_hold_back_and_refuse)
{
    queue requests(request_limits{2, 1000, 3, 1000});
    for (auto const* name : {"a", "b", "c"}) BOOST_TEST(requests.push(make(name)));
    BOOST_TEST(!requests.push(make("d")));
    BOOST_TEST(send(requests) == "ab");
    BOOST_TEST(requests.push(make("d")));
    BOOST_TEST(requests.answered());
    BOOST_TEST(send(requests) == "c");
    BOOST_TEST(requests.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(limits_of_bytes_let_one_pass)
{
    queue requests(request_limits{100, 10, 100, 20});
    BOOST_TEST(requests.push(make("huge", 1000)));
    BOOST_TEST(!requests.push(make("a", 1)));
    BOOST_TEST(send(requests) == "huge");
    BOOST_TEST(requests.push(make("a", 6)));
    BOOST_TEST(requests.push(make("b", 6)));
    BOOST_TEST(requests.push(make("c", 4)));
    BOOST_TEST(!requests.push(make("d", 5)));
    BOOST_TEST(send(requests).empty());
    BOOST_TEST(requests.answered());
    BOOST_TEST(send(requests) == "a");
    BOOST_TEST(requests.answered());
    BOOST_TEST(send(requests) == "bc");
}

BOOST_AUTO_TEST_CASE(waiting_is_withdrawn_when_abandoned)
{
    queue requests(roomy);
    auto const a = make("a", 500);
    auto const b = make("b", 500);
    BOOST_TEST(requests.push(a));
    BOOST_TEST(requests.push(b));
    BOOST_TEST(!requests.push(make("c", 1)));
    BOOST_TEST(requests.abandon(b));
    BOOST_TEST((b->state == request_state::done));
    BOOST_TEST(!requests.abandon(b));
    BOOST_TEST(requests.push(make("c", 1)));
    BOOST_TEST(send(requests) == "ac");
}

BOOST_AUTO_TEST_CASE(sent_is_answered_to_nobody_when_abandoned)
{
    queue requests(roomy);
    auto const a = make("a");
    BOOST_TEST(requests.push(a));
    BOOST_TEST(requests.push(make("b")));
    send(requests);
    BOOST_TEST(!requests.abandon(a));
    BOOST_TEST((a->state == request_state::abandoned));
    BOOST_TEST(requests.front()->name == "a");
    BOOST_TEST(!requests.answered());
    BOOST_TEST(!requests.abandon(a));
    BOOST_TEST(requests.answered());
}

BOOST_AUTO_TEST_CASE(stranger_is_nothing_to_abandon)
{
    queue requests(roomy);
    BOOST_TEST(!requests.abandon(make("never pushed")));
}

BOOST_AUTO_TEST_CASE(again_goes_first_whatever_the_limits)
{
    queue requests(request_limits{1, 1000, 1, 1000});
    BOOST_TEST(requests.push(make("a")));
    send(requests);
    BOOST_TEST(requests.push(make("b")));
    requests.again();
    BOOST_TEST(requests.waiting() == 2u);
    BOOST_TEST(send(requests) == "a");
    BOOST_TEST(requests.answered());
    BOOST_TEST(send(requests) == "b");
}

BOOST_AUTO_TEST_CASE(abandoned_is_not_sent_again)
{
    queue requests(roomy);
    auto const a = make("a");
    BOOST_TEST(requests.push(a));
    send(requests);
    requests.abandon(a);
    requests.again();
    BOOST_TEST((a->state == request_state::done));
    BOOST_TEST(requests.waiting() == 0u);
    BOOST_TEST(requests.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(unasked_takes_its_turn_and_belongs_to_nobody)
{
    queue requests(request_limits{1, 1000, 10, 1000});
    BOOST_TEST(requests.push(make("a")));
    requests.wrote_unasked(make("deallocate"));
    BOOST_TEST(!requests.next());
    BOOST_TEST(!requests.answered());
    BOOST_TEST(send(requests) == "a");
    requests.wrote_unasked(make("deallocate"));
    BOOST_TEST(names(requests.take_in_flight()) == "a");
}

BOOST_AUTO_TEST_CASE(lost_connection_takes_what_was_sent_and_leaves_what_waits)
{
    queue requests(request_limits{3, 1000, 10, 1000});
    auto const b = make("b");
    BOOST_TEST(requests.push(make("a")));
    BOOST_TEST(requests.push(b));
    for (auto const* name : {"c", "d", "e"}) BOOST_TEST(requests.push(make(name)));
    send(requests);
    requests.abandon(b);
    BOOST_TEST(names(requests.take_in_flight()) == "ac");
    BOOST_TEST(requests.in_flight() == 0u);
    BOOST_TEST(send(requests) == "de");
    BOOST_TEST(requests.push(make("f", 1000)));  // the count of bytes starts again at 0
    BOOST_TEST(names(requests.take_waiting()) == "f");
    BOOST_TEST(requests.push(make("g", 1000)));
}

BOOST_AUTO_TEST_SUITE_END()
