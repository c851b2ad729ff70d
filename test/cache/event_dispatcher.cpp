// What the dispatcher does with a signal when tallies follow two transports.

#include <pgtally/cache/event_dispatcher.hpp>
#include <pgtally/test/cache/tallies.hpp>

#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;

namespace {

constexpr std::size_t notify = 0, wal = 1;
constexpr char const* fence_text = "100:100:";
cache::reason const broken{cache::reason::kind::unreachable, "the connection broke"};

struct two_transports : event_dispatcher::owner {
    event_dispatcher::tallies tallies;
    barriers expected;
    event_dispatcher received{tallies, expected, *this, {"notify", "wal"}};
    std::map<std::string, load_cause> wanted;
    std::vector<std::string> given_up, dropped, heartbeats;
    std::vector<std::string> looks;
    int definitions = 0, applied_events = 0;

    two_transports()
    {
        add("likes", "notify");
        add("votes", "wal");
        add("shares", "smoke");
    }

    // Adds a live tally with one counter.
    void add(std::string const& name, std::string transport, std::uint64_t v = 0)
    {
        cache::definition what{name, "public.likes", "bigint", {"count"}, {}, name};
        what.transport = std::move(transport);
        what.v = v;
        auto tally = std::make_unique<cache::tally>(std::move(what), cache::limits{});
        tally->begin_load();
        tally->set_fence(snapshot(fence_text));
        tally->await_barrier("b");
        tally->barrier_back("b");
        tallies.emplace(name, std::move(tally));
    }

    cache::tally& tally(std::string const& name) { return *tallies.at(name); }
    bool live(std::string const& name) { return tally(name).state() == cache::state::live; }
    std::int64_t count(std::string const& name) { return tally(name).counters(number(1))[0]; }

    static std::string delta(std::string const& name)
    {
        return R"({"t":")" + name + R"(","x":"200","n":1,"d":[["1",1]]})";
    }

    void want_load(std::string_view name, load_cause cause) override { wanted.emplace(name, cause); }
    void give_up_load(std::string const& name) override { given_up.push_back(name); }
    void want_definitions() override { ++definitions; }
    void want_look(std::string const& name) override { looks.push_back(name); }
    void applied(cache::event const&) override { ++applied_events; }
    void drop(std::string_view reason) override { dropped.emplace_back(reason); }
    bool heartbeat_back(std::size_t transport, std::string_view id) override
    {
        if (id != "heartbeat") return false;
        heartbeats.push_back(std::to_string(transport));
        return true;
    }
};

std::string barrier(std::string const& id)
{
    return barriers::payload(id);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_event_dispatcher, two_transports)

BOOST_AUTO_TEST_CASE(transport_of_tally_is_the_one_that_its_definition_names)
{
    BOOST_TEST((received.transport_of(tally("likes")) == notify));
    BOOST_TEST((received.transport_of(tally("votes")) == wal));
    BOOST_TEST(!received.transport_of(tally("shares")));
}

BOOST_AUTO_TEST_CASE(lost_its_tallies_stop_others_go_on)
{
    received.lost(wal, broken, false);
    BOOST_TEST(live("likes"));
    BOOST_TEST(!live("votes"));
    BOOST_TEST(tally("votes").reason() == broken);
    BOOST_TEST(given_up == std::vector<std::string>{"votes"}, boost::test_tools::per_element());
    received.lost(notify, cache::reason{cache::reason::kind::refused, "no such database"}, true);
    BOOST_TEST((tally("likes").state() == cache::state::failed));
    BOOST_TEST(tally("votes").reason() == broken);
}

BOOST_AUTO_TEST_CASE(opened_its_tallies_load_others_go_on)
{
    received.opened(wal);
    BOOST_TEST(live("likes"));
    BOOST_TEST(!live("votes"));
    BOOST_TEST(wanted.size() == 1U);
    BOOST_TEST((wanted.at("votes") == load_cause::reconnect));
    BOOST_TEST(definitions == 1);
}

BOOST_AUTO_TEST_CASE(event_by_its_transport_is_applied)
{
    received.payload(notify, delta("likes"));
    received.payload(wal, delta("votes"));
    BOOST_TEST(count("likes") == 1);
    BOOST_TEST(count("votes") == 1);
    BOOST_TEST(applied_events == 2);
}

BOOST_AUTO_TEST_CASE(event_by_another_transport_is_ignored)
{
    received.payload(wal, delta("likes"));
    received.payload(notify, delta("votes"));
    received.payload(notify, R"({"t":"votes","x":"200","n":1,"reload":true})");
    received.payload(notify, R"({"t":"votes","x":"200","n":1,"d":[["1",1,2,3]]})");
    received.payload(notify, delta("shares"));
    BOOST_TEST(count("likes") == 0);
    BOOST_TEST(count("votes") == 0);
    BOOST_TEST(live("votes"));
    BOOST_TEST(wanted.empty());
    BOOST_TEST(dropped.empty());
    BOOST_TEST(applied_events == 0);
}

BOOST_AUTO_TEST_CASE(changed_definition_by_either_transport_stops_its_tally)
{
    received.payload(wal, R"({"t":"votes","x":"200","n":1,"definition":true})");
    BOOST_TEST(!live("votes"));
    received.payload(wal, R"({"t":"likes","x":"201","n":1,"definition":true})");
    BOOST_TEST(!live("likes"));
    BOOST_TEST((wanted.at("votes") == load_cause::definition));
    BOOST_TEST((wanted.at("likes") == load_cause::definition));
    received.payload(notify, R"({"t":"votes","x":"202","n":1,"definition":true})");
    BOOST_TEST(definitions == 3);
}

// What an event says that is made by definition 12, 13 or 14 while 13 is known.
BOOST_AUTO_TEST_CASE(event_of_another_definition_is_not_applied)
{
    auto const of = [](std::string const& v, std::string const& what) {
        return R"({"t":"n","v":)" + v + R"(,"x":"200","n":1,)" + what + "}";
    };
    add("n", "notify", 13);
    received.payload(notify, of("13", R"("d":[["1",1]])"));
    BOOST_TEST(count("n") == 1);
    for (auto const* const what : {R"("d":[["1",1]])", R"("d":[["1",1,2]])", R"("truncate":true)", R"("reload":true)",
                                   R"("broken":"22012 division by zero")"}) {
        received.payload(notify, of("12", what));
    }
    BOOST_TEST(count("n") == 1);
    BOOST_TEST(live("n"));
    BOOST_TEST(dropped == std::vector<std::string>(5, "outdated"), boost::test_tools::per_element());
    received.payload(notify, of("12", R"("definition":true)"));
    BOOST_TEST(live("n"));
    BOOST_TEST(wanted.empty());
    BOOST_TEST(definitions == 1);

    received.payload(notify, of("14", R"("d":[["1",1]])"));
    BOOST_TEST(count("n") == 1);
    BOOST_TEST((tally("n").state() == cache::state::stale));
    BOOST_TEST((wanted.at("n") == load_cause::definition));
    BOOST_TEST(definitions == 2);
}

// A schema that is one version back sends no numbers.
BOOST_AUTO_TEST_CASE(event_without_a_number_is_applied)
{
    add("n", "notify", 13);
    received.payload(notify, delta("n"));
    BOOST_TEST(count("n") == 1);
    BOOST_TEST(live("n"));
}

BOOST_AUTO_TEST_CASE(event_that_does_not_fit_is_a_load_by_a_definition_that_is_read_again)
{
    received.payload(notify, R"({"t":"likes","x":"200","n":1,"d":[["1",1,2]]})");
    BOOST_TEST((tally("likes").state() == cache::state::stale));
    BOOST_TEST((wanted.at("likes") == load_cause::definition));
    BOOST_TEST(definitions == 1);
    BOOST_TEST(dropped == std::vector<std::string>{"wrong_width"}, boost::test_tools::per_element());
    received.payload(wal, R"({"t":"votes","x":"200","n":1,"d":[["a",1]]})");
    BOOST_TEST((tally("votes").state() == cache::state::stale));
    BOOST_TEST((wanted.at("votes") == load_cause::definition));
    BOOST_TEST(dropped.back() == "wrong_key");
    received.payload(wal, R"({"t":"votes","x":"99","n":1,"d":[["a",1]]})");  // the load contains it
    BOOST_TEST(definitions == 2);
    BOOST_TEST(dropped.size() == 2U);
}

BOOST_AUTO_TEST_CASE(change_that_could_not_be_counted_is_a_failure_a_look_and_a_load)
{
    received.payload(notify, R"({"t":"likes","x":"200","n":1,"broken":"42703 column is gone"})");
    BOOST_TEST((tally("likes").state() == cache::state::failed));
    BOOST_TEST((wanted.at("likes") == load_cause::broken));
    BOOST_TEST(looks == std::vector<std::string>{"likes"}, boost::test_tools::per_element());
    BOOST_TEST(dropped.empty());
}

BOOST_AUTO_TEST_CASE(barrier_by_another_transport_is_still_expected)
{
    std::vector<std::size_t> back;
    auto const take = [&](std::size_t by) { back.push_back(by); };
    auto const strict = expected.expect(take, wal);
    auto const any = expected.expect(take);
    received.payload(notify, barrier(strict));
    BOOST_TEST(back.empty());
    received.payload(notify, barrier(any));
    received.payload(wal, barrier(strict));
    received.payload(wal, barrier(strict));
    BOOST_TEST(back == (std::vector<std::size_t>{notify, wal}), boost::test_tools::per_element());
    BOOST_TEST(expected.size() == 0U);
}

BOOST_AUTO_TEST_CASE(heartbeat_is_told_with_the_transport_by_which_it_came)
{
    received.payload(wal, barrier("heartbeat"));
    received.payload(notify, barrier("heartbeat"));
    BOOST_TEST(heartbeats == (std::vector<std::string>{"1", "0"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_look_ahead_changes_nothing)
{
    auto const event = [](std::string const& tally, std::string const& key) {
        return R"({"t":")" + tally + R"(","x":"200","n":1,"d":[[")" + key + R"(",1]]})";
    };
    std::vector<std::string> texts;
    for (int i = 1; i <= 5000; ++i) texts.push_back(event("likes", std::to_string(i)));
    for (auto const& text : texts) received.payload(notify, text);
    auto const applied = applied_events;
    auto const revision = tally("likes").revision();
    std::vector<std::vector<std::string>> const ahead{
        {texts.begin(), texts.begin() + 16},
        {event("likes", "7"), event("likes", "no number"), "{", "", event("nobody", "1"), event("likes", "9999999")},
        {event("nobody", "1"), event("likes", "7")},
        {barrier("b"), event("likes", "7")},
        {event("likes", "7"), event("votes", "7"), event("likes", "8")},
        {event("votes", "7"), event("votes", "8")},  // a small table
    };
    for (auto const& each : ahead) received.look_ahead(std::vector<std::string_view>{each.begin(), each.end()});
    BOOST_TEST(applied_events == applied);
    BOOST_TEST(tally("likes").revision() == revision);
    BOOST_TEST(dropped.empty());
    BOOST_TEST(wanted.empty());
    // Of rows that another load has replaced by now, too.
    tally("likes").begin_load();
    tally("likes").set_fence(snapshot("300:300:"));
    tally("likes").await_barrier("c");
    tally("likes").barrier_back("c");
    received.look_ahead(std::vector<std::string_view>{texts.begin(), texts.begin() + 16});
    BOOST_TEST(count("likes") == 0);
}

BOOST_AUTO_TEST_SUITE_END()
