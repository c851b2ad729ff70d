#include "../push/directory.hpp"

#include <pgtally/server/sse/sse_protocol.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

using namespace pgtally::test;
using namespace std::chrono_literals;

namespace {

// One stream of events of a server with a tally `tweets`.
struct sse_protocol_fixture {
    std::string begin(std::optional<std::vector<std::string>> named, std::optional<cache::since_point> since = {})
    {
        subscribe_request what{.id = {}, .tally = "tweets", .keys = std::move(named), .since = std::move(since)};
        auto const refused = protocol.begin(std::move(what), 1'234ms, now);
        return refused ? std::string{refused->code} : next();
    }
    std::string next()
    {
        if (!protocol.next(last, now)) return "nothing";
        return last.head + (last.tail ? *last.tail : "") + std::string{last.end};
    }
    std::string epoch() { return tallies.tweets().epoch(); }
    std::string revision() { return std::to_string(tallies.tweets().revision()); }
    std::string id() { return "id: " + epoch() + '-' + revision() + '\n'; }
    std::string standing()
    {
        return R"({"epoch":")" + epoch() + R"(","revision":)" + revision() + R"(,"state":"live")";
    }

    directory tallies = directory::with_tweets();
    shared_changes shared{4, 4};
    limits bounds;
    int ready = 0;
    sse_protocol::clock::time_point now{1h};
    sse_protocol protocol{tallies, shared, bounds, audience::operators, rights::everything(), [this] { ++ready; }};
    sse_message last;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_sse_protocol, sse_protocol_fixture)

BOOST_AUTO_TEST_CASE(a_stream_from_its_beginning_to_its_end)
{
    BOOST_TEST(begin({{"33"}}) == "retry: 1234\n\n");
    BOOST_TEST(next() == "event: snapshot\n" + id() + "data: " + standing() +
                             R"(,"keys":{"33":{"rts":0,"favs":0}}})"
                             "\n\n");
    BOOST_TEST(next() == "nothing");
    tallies.count("33", 2, 1);
    BOOST_TEST(ready > 0);
    BOOST_TEST(next() == "event: change\n" + id() + R"(data: {"revision":)" + revision() +
                             R"(,"keys":{"33":{"rts":2,"favs":1}}})"
                             "\n\n");
    BOOST_TEST(last.changes == 1U);
    tallies.lose("the wire is cut");
    BOOST_TEST(next() ==
               "event: state\n"
               R"(data: {"state":"stale","reason":"the wire is cut"})"
               "\n\n");
    BOOST_TEST(!protocol.ended());
    tallies.tallies.clear();
    BOOST_TEST(next() ==
               "event: unsubscribed\n"
               R"(data: {"reason":"dropped"})"
               "\n\n");
    BOOST_TEST(protocol.ended());
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(refused_before_it_begins)
{
    BOOST_TEST(begin({{"33", "abc"}}) == "bad_key");
    tallies.tallies.clear();
    BOOST_TEST(begin({{"33"}}) == "unknown_tally");
}

BOOST_AUTO_TEST_CASE(resumes_from_a_position)
{
    tallies.count("1", 1, 0);
    cache::since_point const at{epoch(), tallies.tweets().revision()};
    tallies.count("2", 1, 0);
    begin(std::nullopt, at);
    BOOST_TEST(next() == "event: snapshot\n" + id() + "data: " + standing() +
                             R"(,"partial":true,"keys":{"2":{"rts":1,"favs":0}}})"
                             "\n\n");
}

BOOST_AUTO_TEST_CASE(waits_for_definitions_and_ends_if_refused)
{
    tallies.known = false;
    tallies.tallies.clear();
    begin({{"33"}});
    BOOST_TEST(next() ==
               "event: state\n"
               R"(data: {"state":"loading"})"
               "\n\n");
    BOOST_TEST(protocol.pending() == 1U);
    tallies.known = true;
    protocol.on_replicas_changed();
    BOOST_TEST(protocol.pending() == 0U);
    BOOST_TEST(next() ==
               "event: error\n"
               R"(data: {"code":"unknown_tally","message":"there is no tally of this name"})"
               "\n\n");
    BOOST_TEST(protocol.ended());
}

BOOST_AUTO_TEST_CASE(a_comment_each_time_it_is_due)
{
    begin({{"33"}});
    next();
    BOOST_TEST((protocol.due() == now + 15s));
    now += 15s - 1ms;
    BOOST_TEST(next() == "nothing");
    for (int i = 0; i < 3; ++i) {
        now += 15s;
        BOOST_TEST(next() == ":\n\n");
        BOOST_TEST(next() == "nothing");
        BOOST_TEST((protocol.due() == now + 15s));
    }
}

BOOST_AUTO_TEST_CASE(a_change_that_many_streams_send_is_encoded_once)
{
    sse_protocol other{tallies, shared, bounds, audience::everybody, rights::everything(), [] {}};
    other.begin({.id = {}, .tally = "tweets", .keys = std::nullopt, .since = {}}, 1ms, now);
    begin(std::nullopt);
    sse_message theirs;
    while (protocol.next(last, now)) {
    }
    while (other.next(theirs, now)) {
    }
    tallies.count("33", 2, 1);
    protocol.next(last, now);
    other.next(theirs, now);
    BOOST_REQUIRE(last.tail);
    BOOST_TEST(last.tail == theirs.tail);
    BOOST_TEST(shared.encoded() == 1U);
}

BOOST_AUTO_TEST_CASE(an_interval_holds_changes_back)
{
    protocol.begin({.id = {}, .tally = "tweets", .keys = std::nullopt, .since = {}, .interval = 1s}, 1ms, now);
    while (protocol.next(last, now)) {
    }
    tallies.count("1", 1, 0);
    BOOST_TEST(next() != "nothing");
    tallies.count("1", 1, 0);
    tallies.count("1", 1, 0);
    BOOST_TEST(next() == "nothing");
    BOOST_TEST((protocol.due() == now + 1s));
    now += 1s;
    BOOST_TEST(next().find(R"("1":{"rts":3,)") != std::string::npos);
    BOOST_TEST(last.conflated == 1U);
}

BOOST_AUTO_TEST_CASE(a_stream_ends_with_its_token)
{
    moment const begins{now, std::chrono::sys_seconds{1'000s}};
    protocol.ends_with_token(begins.wall + 5s, rights::nothing(), begins);
    begin({{"33"}});
    next();
    BOOST_TEST((protocol.due() == now + 5s));
    now += 5s - 1ms;
    BOOST_TEST(next() == "nothing");
    now += 1ms;
    BOOST_TEST(next() == "event: unsubscribed\ndata: {\"reason\":\"expired\"}\n\n");
    BOOST_TEST(protocol.ended());
}

BOOST_AUTO_TEST_CASE(a_stream_of_what_everybody_reads_does_not_end_with_a_token)
{
    moment const begins{now, std::chrono::sys_seconds{1'000s}};
    protocol.ends_with_token(begins.wall + 5s, rights::everything(), begins);
    begin({{"33"}});
    next();
    now += 6s;
    BOOST_TEST(next() == "nothing");
    BOOST_TEST(!protocol.ended());
    BOOST_TEST((protocol.due() > now));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
