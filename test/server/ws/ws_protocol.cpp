#include "../auth/tokens.hpp"
#include "../push/directory.hpp"

#include <pgtally/server/ws/ws_protocol.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace pgtally::server {

using namespace pgtally::test;

namespace {

// One WebSocket of a server with a tally `tweets`.
struct ws_protocol_fixture {
    std::string next()
    {
        if (!protocol.next(last, {})) return "nothing";
        return last.head + (last.tail ? *last.tail : "");
    }
    std::string ask(std::string_view text)
    {
        protocol.receive(text, {});
        return next();
    }
    std::string standing() const
    {
        auto const& of = tallies.tallies.at("tweets");
        return R"("epoch":")" + of->epoch() + R"(","revision":)" + std::to_string(of->revision()) +
               R"(,"state":"live")";
    }

    directory tallies = directory::with_tweets();
    shared_changes shared{4, 4};
    limits bounds;
    int ready = 0;
    ws_protocol protocol{
        tallies, shared, bounds, audience::operators, nullptr, permit::everything(), {}, [this] { ++ready; }};
    ws_message last;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_ws_protocol, ws_protocol_fixture)

BOOST_AUTO_TEST_CASE(a_subscription_from_its_snapshot_to_its_end)
{
    BOOST_TEST(ask(R"({"type":"subscribe","id":"a","tally":"tweets","keys":["33"]})") ==
               R"({"type":"snapshot","id":"a",)" + standing() + R"(,"keys":{"33":{"rts":0,"favs":0}}})");
    tallies.count("33", 2, 1);
    BOOST_TEST(next() == R"({"type":"change","id":"a","revision":)" + std::to_string(tallies.tweets().revision()) +
                             R"(,"keys":{"33":{"rts":2,"favs":1}}})");
    BOOST_TEST(last.changes == 1U);
    BOOST_TEST(next() == "nothing");
    BOOST_TEST(ask(R"({"type":"track","id":"a","keys":[34]})") ==
               R"({"type":"snapshot","id":"a",)" + standing() + R"(,"keys":{"34":{"rts":0,"favs":0}}})");
    BOOST_TEST(ask(R"({"type":"untrack","id":"a","keys":["33","34"]})") == "nothing");
    tallies.lose("away");
    BOOST_TEST(next() == R"({"type":"state","id":"a","state":"stale","reason":"away"})");
    BOOST_TEST(ask(R"({"type":"unsubscribe","id":"a"})") == R"({"type":"unsubscribed","id":"a"})");
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(snapshots_say_whether_they_are_partial_or_have_more)
{
    cache::limits small;
    small.max_keys_in_message = 1;
    tallies = directory::with_tweets(small);
    auto const epoch = tallies.tweets().epoch();
    auto const revision = std::to_string(tallies.tweets().revision());
    tallies.count("1", 1, 0);
    auto const since = ask(R"({"type":"subscribe","id":1,"tally":"tweets","since":{"epoch":")" + epoch +
                           R"(","revision":)" + revision + "}}");
    BOOST_TEST(since.find(R"("state":"live","partial":true,"keys":{"1":)") != std::string::npos, since);
    tallies.count("2", 1, 0);
    next();
    auto const part = ask(R"({"type":"subscribe","id":2,"tally":"tweets"})");
    BOOST_TEST(part.find(R"("state":"live","more":true,"keys":{"1":)") != std::string::npos, part);
    auto const end = next();
    BOOST_TEST(end.find(R"("state":"live","keys":{"2":)") != std::string::npos, end);
}

BOOST_AUTO_TEST_CASE(a_change_of_all_keys_is_encoded_once)
{
    ws_protocol other{tallies, shared, bounds, audience::operators, nullptr, permit::everything(), {}, [] {}};
    for (auto* const each : {&protocol, &other}) {
        each->receive(R"({"type":"subscribe","id":7,"tally":"tweets"})", {});
        ws_message snapshot;
        BOOST_TEST(each->next(snapshot, {}));
    }
    tallies.count("1", 1, 0);
    ws_message first, second;
    BOOST_TEST(protocol.next(first, {}));
    BOOST_TEST(other.next(second, {}));
    BOOST_TEST(first.tail == second.tail);
    BOOST_TEST(shared.encoded() == 1U);
}

BOOST_AUTO_TEST_CASE(a_change_of_a_top_is_encoded_once)
{
    ws_protocol other{tallies, shared, bounds, audience::operators, nullptr, permit::everything(), {}, [] {}};
    for (auto* const each : {&protocol, &other}) {
        each->receive(R"({"type":"subscribe","id":7,"tally":"tweets","top":{"by":"favs","limit":2}})", {});
        ws_message snapshot;
        BOOST_TEST(each->next(snapshot, {}));
    }
    tallies.count("1", 0, 3);
    ws_message first, second;
    BOOST_TEST(protocol.next(first, {}));
    BOOST_TEST(other.next(second, {}));
    BOOST_TEST(first.tail == second.tail);
    BOOST_TEST(shared.encoded() == 1U);
    BOOST_TEST(*first.tail == R"("revision":)" + std::to_string(tallies.tweets().revision()) +
                                  R"(,"top":[{"key":"1","counters":{"rts":0,"favs":3}}]})");
    BOOST_TEST(first.changes == 1U);
}

BOOST_AUTO_TEST_CASE(every_message_is_answered)
{
    BOOST_TEST(ask(R"({"type":"ping"})") == R"({"type":"pong"})");
    BOOST_TEST(ask("no JSON") ==
               R"({"type":"error","code":"bad_message","message":"a message must be one JSON object"})");
    BOOST_TEST(ask(R"({"type":"subscribe","id":1,"tally":"nope"})") ==
               R"({"type":"error","id":1,"code":"unknown_tally","message":"there is no tally of this name"})");
    BOOST_TEST(ask(R"({"type":"unsubscribe","id":"1"})") ==
               R"({"type":"error","id":"1","code":"unknown_id","message":"there is no subscription with this id"})");
    for (auto const* const type : {"track", "untrack"}) {
        auto const answer = ask(R"({"type":")" + std::string{type} + R"(","id":1,"keys":[]})");
        BOOST_TEST(answer.starts_with(R"({"type":"error","id":1,"code":"unknown_id",)"), answer);
    }
    ask(R"({"type":"subscribe","id":1,"tally":"tweets","keys":[]})");
    BOOST_TEST(ask(R"({"type":"track","id":1,"keys":["33","x\u0000y"]})") ==
               R"({"type":"error","id":1,"code":"bad_key","message":"a key is UTF-8 without a NUL","key":"x\u0000y"})");
    BOOST_TEST(ask(R"({"type":"subscribe","id":1,"tally":"tweets"})") ==
               R"({"type":"error","id":1,"code":"duplicate_id","message":"a subscription with this id exists"})");
}

BOOST_AUTO_TEST_CASE(replies_come_before_pushes_and_stop_the_reading_when_full)
{
    bounds.max_replies = 2;
    protocol.receive(R"({"type":"subscribe","id":1,"tally":"tweets","keys":[]})", {});
    protocol.receive(R"({"type":"ping"})", {});
    BOOST_TEST(!protocol.full());
    protocol.receive(R"({"type":"ping"})", {});
    BOOST_TEST(protocol.full());
    BOOST_TEST(ready == 3);
    BOOST_TEST(next() == R"({"type":"pong"})");
    BOOST_TEST(!protocol.full());
    BOOST_TEST(next() == R"({"type":"pong"})");
    BOOST_TEST(next().starts_with(R"({"type":"snapshot","id":1,)"));
}

BOOST_AUTO_TEST_CASE(a_dropped_tally_unsubscribes)
{
    ask(R"({"type":"subscribe","id":1,"tally":"tweets"})");
    tallies.tallies.clear();
    BOOST_TEST(next() == R"({"type":"unsubscribed","id":1,"reason":"dropped"})");
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(until_definitions_are_known_a_state_answers)
{
    auto held = std::exchange(tallies.tallies, {});
    tallies.known = false;
    BOOST_TEST(ask(R"({"type":"subscribe","id":1,"tally":"tweets","keys":["1"]})") ==
               R"({"type":"state","id":1,"state":"loading"})");
    BOOST_TEST(ask(R"({"type":"subscribe","id":2,"tally":"nope"})") == R"({"type":"state","id":2,"state":"loading"})");
    tallies.trouble = {cache::reason::kind::refused, "no \"password\""};
    protocol.on_replicas_changed();
    BOOST_TEST(next() == R"({"type":"state","id":1,"state":"failed","reason":"no \"password\""})");
    next();
    BOOST_TEST(protocol.pending() == 2U);
    tallies.tallies = std::move(held);
    tallies.known = true;
    protocol.on_replicas_changed();
    BOOST_TEST(next() ==
               R"({"type":"error","id":2,"code":"unknown_tally","message":"there is no tally of this name"})");
    BOOST_TEST(next().starts_with(R"({"type":"snapshot","id":1,)"));
    BOOST_TEST(protocol.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(a_token_ends_and_the_connection_after_it)
{
    using namespace std::chrono_literals;
    std::string const secret = "0123456789abcdef0123456789abcdef";
    auto const file = std::filesystem::temp_directory_path() / ("pgtally_ws_" + std::to_string(::getpid()));
    std::ofstream{file, std::ios::binary} << secret;
    auth_options const chosen{.key_files = {file.string()}};
    authority const by{chosen, bounds};
    std::filesystem::remove(file);

    moment const begins{ws_protocol::clock::time_point{1h}, std::chrono::sys_seconds{1'000s}};
    ws_protocol one{tallies, shared, bounds, audience::everybody, &by, by.anybody(), begins, [] {}};
    auto const ask_at = [&](std::string_view text, std::chrono::seconds after) {
        one.receive(text, {begins.steady + after, begins.wall + after});
        return one.next(last, begins.steady + after) ? last.head : "nothing";
    };
    auto const auth = [&](std::string_view payload) {
        return R"({"type":"auth","token":")" + hs256(secret, payload) + "\"}";
    };
    std::string const subscribe{R"({"type":"subscribe","id":1,"tally":"tweets","keys":["33"]})"};
    auto const unauthorized = R"({"type":"error","id":1,"code":"unauthorized","message":"this needs a token"})";
    BOOST_TEST(ask_at(subscribe, 0s) == unauthorized);
    BOOST_TEST((one.due() == ws_protocol::clock::time_point::max()));
    BOOST_TEST(ask_at(auth(R"({"exp":1100,"pgtally":{"read":["tweets"]}})"), 0s) ==
               R"({"type":"authenticated","until":1100})");
    BOOST_TEST(ask_at(subscribe, 0s).starts_with(R"({"type":"snapshot","id":1)"));

    // 100 s, and 30 s of leeway.
    auto const ended = begins.steady + 130s;
    BOOST_TEST((one.due() == ended));
    one.time_is(ended - 1s);
    BOOST_TEST(!one.next(last, ended - 1s));
    one.time_is(ended);
    BOOST_TEST_REQUIRE(one.next(last, ended));
    BOOST_TEST(last.head == R"({"type":"unsubscribed","id":1,"reason":"expired"})");
    BOOST_TEST(ask_at(subscribe, 131s) == unauthorized);
    BOOST_TEST((one.due() == ended + bounds.expired_patience));
    BOOST_TEST(!one.overdue(ended + 59s));
    BOOST_TEST(one.overdue(ended + 60s));
    BOOST_TEST(ask_at(auth(R"({"exp":1100})"), 150s) ==
               R"({"type":"error","code":"unauthorized","message":"the token has expired"})");
    BOOST_TEST(ask_at(auth(R"({"exp":2000})"), 150s) == R"({"type":"authenticated","until":2000})");
    BOOST_TEST(!one.overdue(ended + 60s));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
