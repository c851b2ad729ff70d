#include <pgtally/db/detail/wal_status.hpp>

#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using pgtally::db::detail::wal_status;
using step = wal_status::step;

namespace {

// A status at a time that the test moves.
struct world {
    wal_status::time_point at{1h};
    wal_status it;

    world() : it(limits(), at) {}

    static wal_status::limits limits()
    {
        wal_status::limits made;
        made.interval = 1s;
        made.keepalive_interval = 15s;
        made.keepalive_timeout = 10s;
        return made;
    }

    [[nodiscard]] step now(bool moved = false) const { return it.now(at, moved); }
    // Moves to the time at which the class wants to decide, and no further.
    wal_status::duration look()
    {
        auto const wait = it.next() - at;
        at = it.next();
        return std::chrono::duration_cast<wal_status::duration>(wait);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_wal_status)

BOOST_AUTO_TEST_CASE(sent_at_each_interval)
{
    world of;
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST((of.now(true) == step::wait));  // a position that moves is no reason
        BOOST_TEST((of.look() == 1s));
        BOOST_TEST((of.now() == step::send));
        of.it.arrived(of.at);
        of.it.sent(of.at, false);
    }
}

BOOST_AUTO_TEST_CASE(server_that_asks_is_answered_at_once)
{
    world of;
    of.at += 500ms;
    of.it.server_asks();
    BOOST_TEST(of.it.is_asked());
    BOOST_TEST((of.now() == step::send));
    of.it.sent(of.at, false);
    BOOST_TEST(!of.it.is_asked());
    BOOST_TEST((of.now() == step::wait));
}

BOOST_AUTO_TEST_CASE(server_that_asks_again_and_again_is_not_answered_the_same_at_once)
{
    world of;
    of.it.sent(of.at, false);
    of.it.server_asks();
    BOOST_TEST((of.now() == step::wait));
    BOOST_TEST((of.now(true) == step::send));  // but a new answer is given at once
    BOOST_TEST((of.look() == 100ms));
    BOOST_TEST((of.now() == step::send));
}

BOOST_AUTO_TEST_CASE(silence_is_asked_about_once_then_the_server_is_lost)
{
    world of;
    auto const began = of.at;
    while (of.now() != step::send_and_ask) {
        if (of.now() == step::send) of.it.sent(of.at, false);
        of.look();
    }
    BOOST_TEST((of.at - began == 15s));
    of.it.sent(of.at, true);
    auto const asked = of.at;
    while (of.now() != step::lost) {
        BOOST_REQUIRE((of.now() != step::send_and_ask));
        if (of.now() == step::send) of.it.sent(of.at, false);
        of.look();
    }
    BOOST_TEST((of.at - asked == 10s));
}

BOOST_AUTO_TEST_CASE(anything_that_arrives_ends_the_silence)
{
    world of;
    of.at += 15s;
    BOOST_TEST((of.now() == step::send_and_ask));
    of.it.sent(of.at, true);
    of.at += 20s;  // the process was stopped; the answer was there
    of.it.arrived(of.at);
    BOOST_TEST((of.now() == step::send));
    of.it.sent(of.at, false);
    BOOST_TEST((of.now() == step::wait));
}

BOOST_AUTO_TEST_SUITE_END()
