#include <pgtally/cache/transport_watch.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using pgtally::transport_watch;
using pgtally::cache::reason;

namespace {

constexpr auto never = transport_watch::time_point::max();
reason const broke{reason::kind::unreachable, "the connection broke"};

transport_watch::time_point at(std::chrono::milliseconds since_start)
{
    return transport_watch::time_point{1h} + since_start;
}

bool says(std::string const& text, char const* words)
{
    return text.find(words) != std::string::npos;
}

struct opened_watch {
    transport_watch watch{"notify", 5s};
    opened_watch() { watch.opened(at(0s)); }

    // The heartbeat is sent, and the database takes it.
    transport_watch::heartbeat send(std::chrono::milliseconds when, bool pooled = false)
    {
        auto const sent = watch.send_heartbeat(at(when));
        watch.taken(sent, pooled);
        return sent;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_transport_watch, opened_watch)

// When a heartbeat is due

BOOST_AUTO_TEST_CASE(never_opened_nothing_is_due)
{
    transport_watch fresh{"notify", 5s};
    BOOST_TEST(!fresh.is_open());
    BOOST_TEST((fresh.next_heartbeat() == never));
    BOOST_TEST((fresh.deaf_at() == never));
    BOOST_TEST(!fresh.give_up_if_deaf(at(1h), {}));
    BOOST_TEST(fresh.trouble().empty());
    BOOST_TEST(fresh.openings() == 0U);
}

BOOST_AUTO_TEST_CASE(opened_heartbeat_is_due_at_once_then_every_interval)
{
    BOOST_TEST((watch.next_heartbeat() == at(0s)));
    send(1s);
    BOOST_TEST((watch.next_heartbeat() == at(6s)));
}

BOOST_AUTO_TEST_CASE(lost_nothing_is_due_until_it_opens_again)
{
    send(1s);
    watch.lost(broke, false);
    BOOST_TEST(!watch.is_open());
    BOOST_TEST((watch.next_heartbeat() == never));
    BOOST_TEST((watch.deaf_at() == never));
    watch.opened(at(2s));
    BOOST_TEST((watch.next_heartbeat() == at(2s)));
    BOOST_TEST(watch.openings() == 2U);
}

// Heartbeats that come back

BOOST_AUTO_TEST_CASE(heartbeat_back_tells_its_round_trip_and_puts_deafness_off)
{
    BOOST_TEST((watch.deaf_at() == at(15s)));
    auto const one = send(1s);
    auto const round_trip = watch.came_back(one.id, at(3s));
    BOOST_TEST_REQUIRE(round_trip.has_value());
    BOOST_TEST((*round_trip == 2s));
    BOOST_TEST((watch.deaf_at() == at(18s)));
}

BOOST_AUTO_TEST_CASE(heartbeat_back_again_proves_nothing)
{
    auto const one = send(1s);
    BOOST_TEST(watch.came_back(one.id, at(2s)).has_value());
    BOOST_TEST(!watch.came_back(one.id, at(9s)));
    BOOST_TEST((watch.deaf_at() == at(17s)));
}

BOOST_AUTO_TEST_CASE(barrier_that_is_no_heartbeat_proves_nothing)
{
    send(1s);
    BOOST_TEST(!watch.came_back("6f1c1c3e-0000-4000-8000-000000000000", at(2s)));
    BOOST_TEST((watch.deaf_at() == at(15s)));
}

BOOST_AUTO_TEST_CASE(heartbeat_of_an_earlier_opening_proves_nothing)
{
    auto const old = send(1s);
    watch.opened(at(2s));  // no loss was reported: events were dropped
    BOOST_TEST(watch.under_way() == 0U);
    BOOST_TEST(!watch.came_back(old.id, at(3s)));
    BOOST_TEST((watch.deaf_at() == at(17s)));
}

BOOST_AUTO_TEST_CASE(heartbeat_of_a_lost_transport_proves_nothing)
{
    auto const old = send(1s);
    watch.lost(broke, false);
    BOOST_TEST(!watch.came_back(old.id, at(2s)));
    BOOST_TEST(!watch.is_open());
}

BOOST_AUTO_TEST_CASE(fourth_heartbeat_under_way_the_first_no_longer_counts)
{
    auto const first = send(0s);
    auto const second = send(5s);
    send(10s);
    send(14s);
    BOOST_TEST(watch.under_way() == 3U);
    BOOST_TEST(!watch.came_back(first.id, at(14s)));
    BOOST_TEST(watch.came_back(second.id, at(14s)).has_value());
}

// Deafness

BOOST_AUTO_TEST_CASE(none_back_deaf_after_three_intervals_not_before)
{
    send(0s);
    BOOST_TEST(!watch.give_up_if_deaf(at(14'999ms), {}));
    BOOST_TEST(watch.is_open());
    BOOST_TEST(watch.give_up_if_deaf(at(15s), {}).has_value());
    BOOST_TEST(!watch.is_open());
    BOOST_TEST(watch.under_way() == 0U);
    BOOST_TEST(!watch.give_up_if_deaf(at(16s), {}));  // once
}

BOOST_AUTO_TEST_CASE(deaf_after_every_opening)
{
    for (int i = 1; i <= 3; ++i) {
        BOOST_TEST_CONTEXT("opening " << i)
        {
            auto const begin = i * 60s;
            watch.opened(at(begin));
            BOOST_TEST(!watch.give_up_if_deaf(at(begin + 14s), {}));
            BOOST_TEST(watch.give_up_if_deaf(at(begin + 15s), {}).has_value());
        }
    }
}

BOOST_AUTO_TEST_CASE(deaf_none_taken_the_reason_is_what_keeps_them_from_being_sent)
{
    watch.send_heartbeat(at(0s));
    auto const why = watch.give_up_if_deaf(at(15s), reason{reason::kind::unreachable, "out of connections (53300)"});
    BOOST_TEST_REQUIRE(why.has_value());
    BOOST_TEST(says(why->text(), "(53300)"));
    BOOST_TEST(!watch.deaf_for_good());
}

BOOST_AUTO_TEST_CASE(deaf_taken_in_an_earlier_opening_none_was_sent)
{
    auto const old = watch.send_heartbeat(at(0s));
    watch.opened(at(1s));
    watch.taken(old, false);
    auto const why = watch.give_up_if_deaf(at(16s), {});
    BOOST_TEST_REQUIRE(why.has_value());
    BOOST_TEST(says(why->text(), "none could be sent"));
    BOOST_TEST(!watch.deaf_for_good());
}

BOOST_AUTO_TEST_CASE(deaf_behind_a_pooler_the_pooler_is_named)
{
    send(0s, true);
    auto const why = watch.give_up_if_deaf(at(15s), {});
    BOOST_TEST_REQUIRE(why.has_value());
    BOOST_TEST(says(why->text(), "a pooler in between"));
}

BOOST_AUTO_TEST_CASE(deaf_another_transport_than_notify_it_is_named)
{
    transport_watch other{"wal", 5s};
    other.opened(at(0s));
    other.taken(other.send_heartbeat(at(0s)), false);
    auto const why = other.give_up_if_deaf(at(15s), {});
    BOOST_TEST_REQUIRE(why.has_value());
    BOOST_TEST(says(why->text(), "no event by transport wal is delivered"));
}

// Whether waiting cures it

BOOST_AUTO_TEST_CASE(deaf_from_the_opening_the_restart_is_a_permanent_loss)
{
    send(0s);
    auto const why = watch.give_up_if_deaf(at(15s), {});
    BOOST_TEST(watch.deaf_for_good());
    BOOST_TEST(watch.lost(*why, false));
    BOOST_TEST(watch.trouble() == *why);
    BOOST_TEST(watch.trouble_is_permanent());
}

BOOST_AUTO_TEST_CASE(deaf_after_it_heard_the_restart_is_no_permanent_loss)
{
    auto const one = send(0s);
    watch.came_back(one.id, at(0s));  // at the same time as the opening
    auto const why = watch.give_up_if_deaf(at(15s), {});
    BOOST_TEST(!watch.deaf_for_good());
    BOOST_TEST(!watch.lost(*why, false));
    BOOST_TEST(!watch.trouble_is_permanent());
}

BOOST_AUTO_TEST_CASE(deaf_for_good_another_loss_is_what_it_says_it_is)
{
    send(0s);
    auto const why = watch.give_up_if_deaf(at(15s), {});
    watch.lost(*why, false);
    BOOST_TEST(!watch.lost(broke, false));
    BOOST_TEST(watch.lost(reason{reason::kind::refused, "no such database"}, true));
    BOOST_TEST(watch.deaf_for_good());
}

BOOST_AUTO_TEST_CASE(deaf_for_good_it_stays_until_a_heartbeat_comes_back)
{
    send(0s);
    watch.lost(*watch.give_up_if_deaf(at(15s), {}), false);
    watch.opened(at(16s));
    BOOST_TEST(watch.trouble().empty());
    BOOST_TEST(watch.deaf_for_good());
    auto const one = send(16s);
    BOOST_TEST(watch.deaf_for_good());
    BOOST_TEST(watch.came_back(one.id, at(17s)).has_value());
    BOOST_TEST(!watch.deaf_for_good());
}

BOOST_AUTO_TEST_SUITE_END()
