#include <pgtally/server/auth/token_term.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

using namespace std::chrono_literals;

namespace {

constexpr moment began{token_term::time_point{100s}, std::chrono::sys_seconds{1'000'000s}};

token_term::time_point at(std::chrono::nanoseconds after)
{
    return began.steady + after;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_token_term)

BOOST_AUTO_TEST_CASE(a_connection_without_a_token_has_no_term)
{
    token_term term{60s};
    BOOST_TEST(!term.ends(token_term::time_point::max()));
    BOOST_TEST(!term.overdue(token_term::time_point::max()));
    BOOST_TEST((term.due() == token_term::time_point::max()));
}

BOOST_AUTO_TEST_CASE(a_token_ends_once_and_then_there_is_patience)
{
    token_term term{60s};
    term.begin(began.wall + 10s, began);
    BOOST_TEST((term.due() == at(10s)));
    BOOST_TEST(!term.ends(at(10s - 1ns)));
    BOOST_TEST(!term.overdue(at(100s)));  // nobody was told yet
    BOOST_TEST(term.ends(at(10s)));
    BOOST_TEST(!term.ends(at(11s)));
    BOOST_TEST((term.due() == at(70s)));
    BOOST_TEST(!term.overdue(at(70s - 1ns)));
    BOOST_TEST(term.overdue(at(70s)));
}

BOOST_AUTO_TEST_CASE(a_further_token_begins_another_term)
{
    token_term term{60s};
    term.begin(began.wall + 10s, began);
    BOOST_TEST(term.ends(at(10s)));
    term.begin(began.wall + 100s, {at(20s), began.wall + 20s});
    BOOST_TEST(!term.overdue(at(80s)));
    BOOST_TEST((term.due() == at(100s)));
    BOOST_TEST(term.ends(at(100s)));
}

BOOST_AUTO_TEST_CASE(without_patience_nothing_is_due_after_the_end)
{
    token_term term;
    term.begin(began.wall + 10s, began);
    BOOST_TEST((term.due() == at(10s)));
    BOOST_TEST(term.ends(at(10s)));
    BOOST_TEST((term.due() == token_term::time_point::max()));
    BOOST_TEST(!term.overdue(at(24h)));
}

BOOST_AUTO_TEST_CASE(a_token_for_ever_is_no_overflow)
{
    token_term term{60s};
    term.begin(std::chrono::sys_seconds::max(), began);
    BOOST_TEST(!term.ends(at(24h * 365)));
    BOOST_TEST((term.due() > at(24h * 365)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
