#include "directory.hpp"

#include <pgtally/server/push/client_subscriptions.hpp>

#include <algorithm>

namespace pgtally::server {

using namespace pgtally::test;
using namespace std::chrono_literals;

namespace {

using clock = client_subscriptions::clock;
using keys = std::vector<std::string>;

std::string text_of(push const& what)
{
    switch (what.what) {
        case push::kind::dropped: return "dropped " + what.id;
        case push::kind::ended: return "ended " + what.id + ": " + what.reason;
        case push::kind::refused: return "refused " + what.id + ": " + std::string{what.why.code};
        case push::kind::state:
            return "state " + what.id + ": " + std::string{to_string(what.state)} +
                   (what.reason.empty() ? "" : " (" + what.reason + ")");
        case push::kind::snapshot:
        case push::kind::change: break;
    }
    std::string out = what.what == push::kind::change ? "change " : "snapshot ";
    out += what.id + ':';
    for (auto const& item : what.update->items) {
        out += ' ';
        what.from->append_key(item, out);
        auto const none = item.row == cache::counter_table::none;
        auto const values = none ? row(0, 0) : shown(*what.from->of(), out.substr(out.rfind(' ') + 1));
        out += '=' + std::to_string(values[0]) + '/' + std::to_string(values[1]);
    }
    if (what.update->partial) out += " partial";
    if (what.update->more) out += " more";
    return out;
}

struct client_subscriptions_fixture {
    std::string next(clock::time_point now = {})
    {
        push out;
        return subscriptions.next(out, now) ? text_of(out) : "nothing";
    }
    keys all(clock::time_point now = {})
    {
        keys out;
        for (auto text = next(now); text != "nothing"; text = next(now)) out.push_back(text);
        return out;
    }
    std::string code(std::optional<refusal> const& why) { return why ? std::string{why->code} : "done"; }
    std::string subscribe(std::string id, std::optional<keys> named, std::chrono::milliseconds interval = 0ms)
    {
        return code(subscriptions.subscribe({std::move(id), "tweets", std::move(named), {}, interval}));
    }

    directory tallies = directory::with_tweets();
    limits bounds;
    int ready = 0;
    client_subscriptions subscriptions{tallies, bounds, audience::operators, rights::everything(), [this] { ++ready; }};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_client_subscriptions, client_subscriptions_fixture)

BOOST_AUTO_TEST_CASE(named_keys_get_a_snapshot_and_the_newest_values)
{
    BOOST_TEST(subscribe("1", keys{"33", "34", "33"}) == "done");
    BOOST_TEST(ready == 1);
    BOOST_TEST(next() == "snapshot 1: 33=0/0 34=0/0");
    BOOST_TEST(next() == "nothing");
    tallies.count("33", 1, 0);
    tallies.count("33", 1, 0);
    tallies.count("35", 1, 0);
    BOOST_TEST(ready > 1);
    push what;
    BOOST_TEST_REQUIRE(subscriptions.next(what, {}));
    BOOST_TEST(text_of(what) == "change 1: 33=2/0");
    BOOST_TEST(what.conflated == 1U);
    BOOST_TEST(what.epoch == tallies.tweets().epoch());
    BOOST_TEST(what.update->revision == tallies.tweets().revision());
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(every_key_and_parts)
{
    cache::limits small;
    small.max_keys_in_message = 2;
    tallies = directory::with_tweets(small);
    for (auto const* const key : {"1", "2", "3"}) tallies.count(key, 1, 0);
    BOOST_TEST(subscribe("all", std::nullopt) == "done");
    BOOST_TEST((all() == keys{"snapshot all: 1=1/0 2=1/0 more", "snapshot all: 3=1/0"}));
    tallies.count("2", 0, 1);
    BOOST_TEST((all() == keys{"change all: 2=1/1"}));
}

BOOST_AUTO_TEST_CASE(since_resumes_with_what_changed)
{
    tallies.count("1", 1, 0);
    cache::since_point const since{tallies.tweets().epoch(), tallies.tweets().revision()};
    tallies.count("2", 1, 0);
    BOOST_TEST(code(subscriptions.subscribe({"1", "tweets", {}, since, 0ms})) == "done");
    BOOST_TEST((all() == keys{"snapshot 1: 2=1/0 partial"}));
}

BOOST_AUTO_TEST_CASE(track_and_untrack)
{
    BOOST_TEST(subscribe("1", keys{}) == "done");
    BOOST_TEST(next() == "snapshot 1:");
    BOOST_TEST(code(subscriptions.track("1", {"40"})) == "done");
    BOOST_TEST(next() == "snapshot 1: 40=0/0");
    BOOST_TEST(code(subscriptions.track("1", {})) == "done");
    BOOST_TEST((all() == keys{"snapshot 1:"}));
    BOOST_TEST(code(subscriptions.untrack("1", {"40", "41"})) == "done");
    tallies.count("40", 1, 0);
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(refusals_change_nothing)
{
    BOOST_TEST(subscribe("1", keys{"33"}) == "done");
    BOOST_TEST(subscribe("all", std::nullopt) == "done");
    all();
    BOOST_TEST(subscribe("1", keys{}) == "duplicate_id");
    BOOST_TEST(code(subscriptions.subscribe({"2", "nope", {}, {}, 0ms})) == "unknown_tally");
    BOOST_TEST(subscribe("2", keys{"33", "abc"}) == "bad_key");
    BOOST_TEST(code(subscriptions.track("1", {"34", "007"})) == "bad_key");
    BOOST_TEST(subscriptions.track("1", {"34", "007"})->key.value() == "007");
    BOOST_TEST(!subscriptions.track("none", {"34"})->key);
    BOOST_TEST(code(subscriptions.untrack("1", {"33", "x"})) == "bad_key");
    for (auto const* const id : {"2", ""}) {
        BOOST_TEST(code(subscriptions.track(id, {"33"})) == "unknown_id");
        BOOST_TEST(code(subscriptions.untrack(id, {"33"})) == "unknown_id");
        BOOST_TEST(code(subscriptions.unsubscribe(id)) == "unknown_id");
    }
    BOOST_TEST(code(subscriptions.track("all", {"33"})) == "bad_message");
    BOOST_TEST(code(subscriptions.untrack("all", {"33"})) == "bad_message");
    BOOST_TEST(subscriptions.size() == 2U);
    tallies.count("33", 1, 0);
    tallies.count("34", 1, 0);
    BOOST_TEST((all() == keys{"change 1: 33=1/0", "change all: 34=1/0 33=1/0"}));
}

BOOST_AUTO_TEST_CASE(limits_of_keys_and_subscriptions)
{
    cache::limits small;
    small.max_tracked_keys = 2;
    tallies = directory::with_tweets(small);
    bounds.max_subscriptions = 2;
    BOOST_TEST(subscribe("1", keys{"1", "2", "3"}) == "too_many_keys");
    BOOST_TEST(subscribe("1", keys{"1", "2", "2"}) == "done");
    BOOST_TEST(code(subscriptions.track("1", {"3"})) == "too_many_keys");
    BOOST_TEST(code(subscriptions.track("1", {"2"})) == "done");
    BOOST_TEST(subscribe("2", keys{}) == "done");
    BOOST_TEST(subscribe("3", keys{}) == "too_many_subscriptions");
    BOOST_TEST(code(subscriptions.unsubscribe("1")) == "done");
    BOOST_TEST(subscribe("3", keys{}) == "done");
}

BOOST_AUTO_TEST_CASE(subscriptions_take_turns)
{
    subscribe("a", keys{"1"});
    subscribe("b", keys{"1"});
    all();
    tallies.count("1", 1, 0);
    BOOST_TEST(next() == "change a: 1=1/0");
    tallies.count("1", 1, 0);
    BOOST_TEST(next() == "change b: 1=2/0");
    BOOST_TEST(next() == "change a: 1=2/0");
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(an_interval_holds_a_change_back)
{
    clock::time_point const start{1h};
    subscribe("1", keys{"1"}, 250ms);
    BOOST_TEST(next(start) == "snapshot 1: 1=0/0");
    tallies.count("1", 1, 0);
    BOOST_TEST(next(start) == "change 1: 1=1/0");
    tallies.count("1", 1, 0);
    BOOST_TEST(next(start + 249ms) == "nothing");
    BOOST_TEST((subscriptions.due() == start + 250ms));
    subscriptions.time_is(start + 249ms);
    BOOST_TEST(next(start + 249ms) == "nothing");
    subscriptions.time_is(start + 250ms);
    BOOST_TEST(next(start + 250ms) == "change 1: 1=2/0");
    BOOST_TEST((subscriptions.due() == clock::time_point::max()));
}

BOOST_AUTO_TEST_CASE(a_state_comes_alone)
{
    subscribe("1", keys{"1"});
    all();
    tallies.lose("the database is away");
    BOOST_TEST((all() == keys{"state 1: stale (the database is away)"}));
}

BOOST_AUTO_TEST_CASE(a_dropped_tally_ends_its_subscriptions)
{
    subscribe("1", keys{"1"});
    subscribe("2", std::nullopt);
    all();
    tallies.tallies.clear();
    BOOST_TEST(code(subscriptions.track("1", {"2"})) == "done");
    auto last = all();
    std::sort(last.begin(), last.end());
    BOOST_TEST((last == keys{"dropped 1", "dropped 2"}));
    BOOST_TEST(subscriptions.size() == 0U);
    BOOST_TEST(code(subscriptions.unsubscribe("1")) == "unknown_id");
}

BOOST_AUTO_TEST_CASE(unsubscribed_ones_say_nothing_more)
{
    subscribe("1", keys{"1"});
    BOOST_TEST(code(subscriptions.unsubscribe("1")) == "done");
    tallies.count("1", 1, 0);
    BOOST_TEST(next() == "nothing");
}

// Until the definitions are known.

struct unknown_fixture : client_subscriptions_fixture {
    unknown_fixture()
    {
        held = std::exchange(tallies.tallies, {});
        tallies.known = false;
    }
    void definitions_come()
    {
        tallies.tallies = std::move(held);
        tallies.known = true;
        subscriptions.on_replicas_changed();
    }
    decltype(tallies.tallies) held;
};

BOOST_FIXTURE_TEST_CASE(a_pending_subscribe_is_answered_by_a_state_and_begins_later, unknown_fixture)
{
    BOOST_TEST(subscribe("1", keys{"33"}) == "done");
    BOOST_TEST(subscriptions.pending() == 1U);
    BOOST_TEST((all() == keys{"state 1: loading"}));
    tallies.trouble = {cache::reason::kind::refused, "no password"};
    subscriptions.on_replicas_changed();
    BOOST_TEST((all() == keys{"state 1: failed (no password)"}));
    BOOST_TEST(subscribe("1", keys{}) == "duplicate_id");
    BOOST_TEST(code(subscriptions.track("1", {"34", "35"})) == "done");
    BOOST_TEST(code(subscriptions.untrack("1", {"35"})) == "done");
    definitions_come();
    BOOST_TEST(subscriptions.pending() == 0U);
    BOOST_TEST((all() == keys{"snapshot 1: 33=0/0 34=0/0"}));
}

BOOST_FIXTURE_TEST_CASE(everybody_reads_the_sentence_of_a_reason_operators_its_text, unknown_fixture)
{
    tallies.trouble = {cache::reason::kind::refused, "no such role: counters"};
    client_subscriptions of_everybody{tallies, bounds, audience::everybody, rights::everything(), [] {}};
    BOOST_TEST(code(of_everybody.subscribe({"1", "tweets", keys{"33"}, {}, 0ms})) == "done");
    BOOST_TEST(subscribe("1", keys{"33"}) == "done");
    push out;
    BOOST_TEST(of_everybody.next(out, {}));
    BOOST_TEST(text_of(out) == "state 1: failed (the database refuses the connection)");
    BOOST_TEST(next() == "state 1: failed (no such role: counters)");
    definitions_come();
    of_everybody.on_replicas_changed();
    BOOST_TEST(of_everybody.next(out, {}));
    tallies.tweets().lost({cache::reason::kind::unreachable, "db.example:5432 is gone"});
    tallies.tweets().flush();
    BOOST_TEST(of_everybody.next(out, {}));
    BOOST_TEST(text_of(out) == "state 1: stale (the database cannot be reached)");
}

BOOST_FIXTURE_TEST_CASE(what_is_wrong_with_a_pending_subscribe_is_said_later, unknown_fixture)
{
    BOOST_TEST(code(subscriptions.subscribe({"1", "nope", {}, {}, 0ms})) == "done");
    BOOST_TEST(subscribe("2", keys{"abc"}) == "done");
    BOOST_TEST(subscribe("3", keys{"33"}) == "done");
    BOOST_TEST(code(subscriptions.track("3", {"abc"})) == "done");
    BOOST_TEST(subscribe("4", keys{"\xff"}) == "bad_key");
    BOOST_TEST(subscribe("all", std::nullopt) == "done");
    BOOST_TEST(code(subscriptions.track("all", {"1"})) == "bad_message");
    BOOST_TEST(code(subscriptions.untrack("all", {"1"})) == "bad_message");
    BOOST_TEST(all().size() == 4U);
    definitions_come();
    keys const wanted{"refused 1: unknown_tally", "refused 2: bad_key", "refused 3: bad_key", "snapshot 3: 33=0/0",
                      "snapshot all:"};
    BOOST_TEST((all() == wanted));
}

BOOST_FIXTURE_TEST_CASE(a_question_waits_for_the_definitions_too, unknown_fixture)
{
    subscribe_request hot{.id = "hot", .tally = "tweets", .keys = {}, .since = {}};
    hot.asks = cache::top_question{"favs", 3};
    auto wrong = hot;
    wrong.id = "wrong";
    wrong.asks = cache::top_question{"nope", 3};
    BOOST_TEST(code(subscriptions.subscribe(hot)) == "done");
    BOOST_TEST(code(subscriptions.subscribe(wrong)) == "done");
    wrong.asks = cache::rank_question{"favs", "\xff", 0};
    wrong.id = "no text";
    BOOST_TEST(code(subscriptions.subscribe(wrong)) == "bad_key");
    BOOST_TEST(!subscriptions.subscribe(wrong)->key);
    BOOST_TEST(code(subscriptions.track("hot", {"33"})) == "bad_message");
    BOOST_TEST(code(subscriptions.untrack("hot", {"33"})) == "bad_message");
    BOOST_TEST(all().size() == 2U);
    definitions_come();
    BOOST_TEST(next() == "refused wrong: unknown_counter");
    push out;
    BOOST_TEST_REQUIRE(subscriptions.next(out, {}));
    BOOST_TEST((out.what == push::kind::snapshot));
    BOOST_TEST((out.update->answered != nullptr));
    BOOST_TEST(code(subscriptions.track("hot", {"33"})) == "bad_message");
    BOOST_TEST(next() == "nothing");
}

BOOST_FIXTURE_TEST_CASE(pending_ones_are_bounded_by_the_configured_limits, unknown_fixture)
{
    tallies.limits.max_tracked_keys = 2;
    bounds.max_subscriptions = 1;
    BOOST_TEST(subscribe("1", keys{"1", "2", "3"}) == "too_many_keys");
    BOOST_TEST(subscribe("1", keys{"1", "2"}) == "done");
    BOOST_TEST(code(subscriptions.track("1", {"3"})) == "too_many_keys");
    BOOST_TEST(subscribe("2", keys{}) == "too_many_subscriptions");
    BOOST_TEST(code(subscriptions.unsubscribe("1")) == "done");
    BOOST_TEST(next() == "nothing");
}

BOOST_FIXTURE_TEST_CASE(a_track_makes_the_first_snapshot_whole, unknown_fixture)
{
    cache::since_point const since{held.at("tweets")->epoch(), held.at("tweets")->revision()};
    BOOST_TEST(code(subscriptions.subscribe({"1", "tweets", keys{"1"}, since, 0ms})) == "done");
    BOOST_TEST(code(subscriptions.track("1", {"2"})) == "done");
    all();
    definitions_come();
    BOOST_TEST((all() == keys{"snapshot 1: 1=0/0 2=0/0"}));
}

// Rights
// ---------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(who_has_no_token_and_whom_a_token_gives_too_little)
{
    subscriptions.restrict_to(rights::nothing(), "expired");
    BOOST_TEST(subscribe("a", keys{"1"}) == "unauthorized");
    BOOST_TEST(subscribe("a", std::nullopt) == "unauthorized");
    auto some = std::make_shared<rights>();
    some->set_by_token();
    subscriptions.restrict_to(some, "not_allowed");
    BOOST_TEST(subscribe("a", keys{}) == "unknown_tally");
    auto more = std::make_shared<rights>(*some);
    more->add_keys("tweets", {"1", "2"});
    subscriptions.restrict_to(more, "not_allowed");
    BOOST_TEST(subscribe("a", std::nullopt) == "not_allowed");
    BOOST_TEST(subscribe("a", keys{"1", "3"}) == "not_allowed");
    BOOST_TEST(code(subscriptions.subscribe({"a", "tweets", {}, {}, 0ms, cache::sum_question{}})) == "not_allowed");
    BOOST_TEST(subscribe("a", keys{"1"}) == "done");
    BOOST_TEST(code(subscriptions.track("a", {"3"})) == "not_allowed");
    BOOST_TEST(code(subscriptions.track("a", {"2"})) == "done");
    BOOST_TEST(subscriptions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(subscriptions_end_with_their_rights)
{
    subscribe("all", std::nullopt);
    subscribe("kept", keys{"1"});
    subscribe("lost", keys{"1", "2"});
    subscriptions.subscribe({"sum", "tweets", {}, {}, 0ms, cache::sum_question{}});
    all();
    auto some = std::make_shared<rights>();
    some->set_by_token();
    some->add_keys("tweets", {"1"});
    subscriptions.restrict_to(some, "not_allowed");
    BOOST_TEST(subscriptions.size() == 4U);  // until the client was sent that
    BOOST_TEST((all() == keys{"ended all: not_allowed", "ended lost: not_allowed", "ended sum: not_allowed"}));
    BOOST_TEST(subscriptions.size() == 1U);
    tallies.count("1", 1, 0);
    BOOST_TEST((all() == keys{"change kept: 1=1/0"}));
    subscriptions.restrict_to(rights::nothing(), "expired");
    BOOST_TEST((all() == keys{"ended kept: expired"}));
    tallies.count("1", 1, 0);
    BOOST_TEST(next() == "nothing");
}

BOOST_AUTO_TEST_CASE(what_waits_for_the_definitions_ends_too)
{
    tallies.known = false;
    subscriptions.subscribe({"a", "other", keys{"1"}, {}, 0ms});
    subscriptions.subscribe({"b", "other", keys{"1"}, {}, 0ms});
    BOOST_TEST(code(subscriptions.track("b", {"2"})) == "done");
    all();
    auto some = std::make_shared<rights>();
    some->set_by_token();
    some->add_keys("other", {"1"});
    subscriptions.restrict_to(some, "not_allowed");
    BOOST_TEST((all() == keys{"ended b: not_allowed"}));
    BOOST_TEST(subscriptions.pending() == 1U);
    BOOST_TEST(code(subscriptions.track("a", {"2"})) == "not_allowed");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
