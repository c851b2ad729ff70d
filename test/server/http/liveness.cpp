#include <pgtally/server/http/liveness.hpp>

#include <boost/test/unit_test.hpp>

#include <ostream>

namespace pgtally::server {

using namespace std::chrono_literals;
using action = liveness::action;

static std::ostream& operator<<(std::ostream& out, action what)
{
    return out << static_cast<int>(what);
}

namespace {

// A client whose liveness is checked once a second.
struct liveness_fixture {
    action check(bool writing = false)
    {
        now += 1s;
        return life.check(now, end, writing);
    }

    // The first action other than `none`, and the number of seconds until it.
    std::pair<action, int> first(bool writing, int most = 100)
    {
        for (int seconds = 1; seconds <= most; ++seconds) {
            end.silent += 1s;
            if (auto const what = check(writing); what != action::none) return {what, seconds};
        }
        return {action::none, most};
    }

    limits bounds;  // 20 s until a ping, 30 s for a stall, 5 s for a close
    liveness::time_point now{1h};
    liveness life{bounds, now};
    peer_progress end;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_liveness, liveness_fixture)

BOOST_AUTO_TEST_CASE(who_answers_stays)
{
    for (int i = 0; i < 200; ++i) {
        end.silent = i % 25 * 1s;
        auto const what = check();
        BOOST_TEST(what == (end.silent == 20s ? action::ping : action::none));
    }
}

BOOST_AUTO_TEST_CASE(who_answers_no_ping_is_cut)
{
    BOOST_TEST((first(false) == std::pair{action::ping, 20}));
    BOOST_TEST((first(false) == std::pair{action::cut_silent, 20}));
}

BOOST_AUTO_TEST_CASE(any_byte_answers_a_ping)
{
    BOOST_TEST((first(false) == std::pair{action::ping, 20}));
    end.silent = 0s;
    BOOST_TEST(check() == action::none);
    BOOST_TEST((first(false) == std::pair{action::ping, 20}));
}

BOOST_AUTO_TEST_CASE(who_was_silent_during_a_message_is_pinged_before_it_is_cut)
{
    end.silent = 100s;
    end.bytes_taken = 1;
    BOOST_TEST(check(true) == action::none);
    BOOST_TEST(check(false) == action::ping);
    BOOST_TEST(check(false) == action::cut_silent);
}

BOOST_AUTO_TEST_CASE(who_takes_nothing_of_a_message_is_cut)
{
    BOOST_TEST((first(true) == std::pair{action::cut_stalled, 31}));
}

BOOST_AUTO_TEST_CASE(who_takes_nothing_of_the_kernels_buffer_is_closed)
{
    end.outstanding = true;
    for (int i = 0; i < 30; ++i) BOOST_TEST(check() == action::none);
    BOOST_TEST(check() == action::close);
    BOOST_TEST(check() == action::close);
}

BOOST_AUTO_TEST_CASE(each_byte_taken_is_progress)
{
    for (int i = 0; i < 10; ++i) {
        for (int seconds = 0; seconds < 30; ++seconds) BOOST_TEST(check(true) == action::none);
        ++end.bytes_taken;
    }
    BOOST_TEST(check(true) == action::none);
    BOOST_TEST((first(true) == std::pair{action::cut_stalled, 31}));
}

BOOST_AUTO_TEST_CASE(who_answers_no_close_is_cut)
{
    life.closing(now);
    now += 1s;
    life.closing(now);  // the first one counts
    for (int i = 0; i < 4; ++i) BOOST_TEST(check() == action::none);
    BOOST_TEST(check() == action::cut_unclosed);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
