#include <pgtally/server/http/date.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_date)

using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(a_date_is_in_gmt_and_english)
{
    BOOST_TEST(http_date(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    BOOST_TEST(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
    BOOST_TEST(http_date(1'709'164'799) == "Wed, 28 Feb 2024 23:59:59 GMT");
    BOOST_TEST(http_date(1'709'164'800) == "Thu, 29 Feb 2024 00:00:00 GMT");
}

BOOST_AUTO_TEST_CASE(now_is_between_before_and_after)
{
    auto const before = std::time(nullptr);
    auto const said = std::string{date_now()};
    auto const after = std::time(nullptr);
    bool among = false;
    for (auto at = before; at <= after; ++at) among = among || http_date(at) == said;
    BOOST_TEST(among, said);
}

BOOST_AUTO_TEST_SUITE_END()
