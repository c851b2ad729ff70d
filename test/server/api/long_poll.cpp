#include "../../cache/tallies.hpp"

#include <pgtally/cache/stream.hpp>
#include <pgtally/server/api/long_poll.hpp>

namespace pgtally::server {

using namespace pgtally::test;
using namespace std::chrono_literals;

static std::ostream& operator<<(std::ostream& out, long_poll::verdict what)
{
    return out << static_cast<int>(what);
}

BOOST_AUTO_TEST_SUITE(test_long_poll)

using verdict = long_poll::verdict;

namespace {

// A client of key 33, and a tally that is live and empty.
struct long_poll_fixture {
    std::uint64_t changed_at() const { return t->changed_at(number(33)); }
    long_poll of(std::uint64_t revision) const { return {{t->epoch(), revision}, 20s, now}; }
    long_poll up_to_date() const { return of(t->revision()); }
    verdict judge(long_poll& which, bool over = false) const { return which.judge(*t, changed_at(), now, over); }
    void count(char const* key) { t->apply(deltas(++transaction, key, 1, 0)); }

    std::unique_ptr<cache::tally> t = loaded_tally("10:20:");
    std::uint64_t transaction = 30;
    long_poll::time_point now{1h};
};

// The same by positions that other servers know.
struct shared_positions_fixture : long_poll_fixture {
    shared_positions_fixture() { load(50); }
    void load(std::uint64_t barrier)
    {
        t->begin_load(&by);
        t->set_fence(snapshot("10:20:"));
        t->await_barrier("b");
        by.committing = barrier;
        BOOST_TEST_REQUIRE(t->barrier_back("b").has_value());
        by.committing = 0;
        by.reached = barrier;
    }
    cache::stream by{"system/1/16384"};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(waits_until_its_key_changes, long_poll_fixture)
{
    count("33");
    auto poll = up_to_date();
    BOOST_TEST(judge(poll) == verdict::wait);
    BOOST_TEST((poll.due() == now + 20s));
    count("34");
    BOOST_TEST(judge(poll) == verdict::wait);
    count("33");
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(what_changed_before_is_answered_at_once, long_poll_fixture)
{
    count("33");
    auto poll = up_to_date();
    count("33");
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(unchanged_when_the_time_is_over, long_poll_fixture)
{
    auto poll = up_to_date();
    now += 20s - 1ms;
    BOOST_TEST(judge(poll) == verdict::wait);
    now += 1ms;
    BOOST_TEST(judge(poll) == verdict::unchanged);
}

BOOST_FIXTURE_TEST_CASE(unchanged_when_the_server_drains, long_poll_fixture)
{
    auto poll = up_to_date();
    BOOST_TEST(judge(poll, true) == verdict::unchanged);
}

BOOST_FIXTURE_TEST_CASE(a_position_of_another_epoch_is_answered, long_poll_fixture)
{
    long_poll poll{{"00000000-0000-4000-8000-000000000000", t->revision()}, 20s, now};
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(a_position_of_before_the_load_is_answered, long_poll_fixture)
{
    auto poll = of(t->remembered_from() - 1);
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(a_position_of_the_future_is_answered, long_poll_fixture)
{
    auto poll = of(t->revision() + 1);
    BOOST_TEST(judge(poll) == verdict::answer);
    BOOST_TEST(!poll.awaited().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_change_of_state_is_answered_once, long_poll_fixture)
{
    auto poll = up_to_date();
    BOOST_TEST(judge(poll) == verdict::wait);
    t->lost({cache::reason::kind::unreachable, "cut"});
    BOOST_TEST(judge(poll) == verdict::answer);
    auto next = up_to_date();
    BOOST_TEST(judge(next) == verdict::wait);
    now += 20s;
    BOOST_TEST(judge(next) == verdict::answer);  // a tally that is stale does not prove that nothing changed
}

BOOST_FIXTURE_TEST_CASE(a_position_ahead_is_awaited, shared_positions_fixture)
{
    auto poll = of(70);
    BOOST_TEST(judge(poll) == verdict::wait);
    BOOST_TEST(poll.awaited().value_or(0) == 70U);
    BOOST_TEST((poll.due() == now + 5s));
    by.reached = 70;
    BOOST_TEST(judge(poll) == verdict::wait);
    BOOST_TEST(!poll.awaited().has_value());
    BOOST_TEST((poll.due() == now + 20s));
    by.committing = 80;
    count("33");
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(a_position_ahead_is_answered_after_its_patience, shared_positions_fixture)
{
    auto poll = of(70);
    BOOST_TEST(judge(poll) == verdict::wait);
    now += 5s;
    BOOST_TEST(judge(poll) == verdict::answer);
}

BOOST_FIXTURE_TEST_CASE(a_stale_tally_whose_positions_are_shared_waits_too, shared_positions_fixture)
{
    t->lost({cache::reason::kind::unreachable, "cut"});
    auto poll = of(50);
    BOOST_TEST(judge(poll) == verdict::wait);
    load(90);
    BOOST_TEST(judge(poll) == verdict::answer);
    // What happened between 50 and 90 it does not know, so it cannot say that nothing did.
    auto from_before = of(60);
    BOOST_TEST(judge(from_before) == verdict::answer);
    auto from_now = of(90);
    BOOST_TEST(judge(from_now) == verdict::wait);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
