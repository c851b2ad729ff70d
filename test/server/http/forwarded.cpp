#include <pgtally/server/http/forwarded.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_forwarded)

namespace {

// Behind proxies at 10.0.0.0/8 and fd00::/8, the nearest of which is 10.0.0.1.
std::string client(std::string_view list, std::string_view forwarded = {}, char const* peer = "10.0.0.1")
{
    std::vector<ip_network> const trusted{parse_ip_network("10.0.0.0/8").value(), parse_ip_network("fd00::/8").value()};
    return to_string(client_of(parse_ip_address(peer).value(), list, forwarded, trusted));
}

}  // namespace

BOOST_AUTO_TEST_CASE(who_is_not_trusted_is_the_client)
{
    BOOST_TEST(client("1.1.1.1", "for=1.1.1.1", "192.0.2.1") == "192.0.2.1");
    BOOST_TEST(client("") == "10.0.0.1");
}

BOOST_AUTO_TEST_CASE(the_client_is_the_last_address_that_is_not_trusted)
{
    BOOST_TEST(client("192.0.2.7") == "192.0.2.7");
    BOOST_TEST(client("1.1.1.1, 192.0.2.7") == "192.0.2.7");
    BOOST_TEST(client("1.1.1.1,192.0.2.7 ,\t10.0.0.2, 10.0.0.3") == "192.0.2.7");
    BOOST_TEST(client("2001:db8::7, fd00::2") == "2001:db8::7");
    BOOST_TEST(client("10.0.0.9, 10.0.0.2") == "10.0.0.9");
}

BOOST_AUTO_TEST_CASE(an_address_may_have_a_port)
{
    BOOST_TEST(client("192.0.2.7:50123") == "192.0.2.7");
    BOOST_TEST(client("[2001:db8::7]:50123") == "2001:db8::7");
    BOOST_TEST(client("[2001:db8::7]") == "2001:db8::7");
    BOOST_TEST(client("::ffff:192.0.2.7") == "192.0.2.7");
}

BOOST_AUTO_TEST_CASE(where_there_is_no_address_the_proxy_that_wrote_it_is_the_client)
{
    for (auto const* const hop : {"unknown", "_hidden", "", "[::1", "[192.0.2.7]x", "1.2.3"}) {
        BOOST_TEST_CONTEXT(hop)
        {
            BOOST_TEST(client(std::string{"192.0.2.7, "} + hop) == "10.0.0.1");
            BOOST_TEST(client(std::string{"192.0.2.7, "} + hop + ", 10.0.0.2") == "10.0.0.2");
        }
    }
}

BOOST_AUTO_TEST_CASE(forwarded_names_the_client_by_for)
{
    BOOST_TEST(client("", "for=192.0.2.7") == "192.0.2.7");
    BOOST_TEST(client("", "for=1.1.1.1, proto=https; For=\"192.0.2.7:50123\";by=10.0.0.1, for=10.0.0.2") ==
               "192.0.2.7");
    BOOST_TEST(client("", "for=\"[2001:db8::7]:50123\"") == "2001:db8::7");
    BOOST_TEST(client("", "for=\"192.0.2\\.7\"") == "192.0.2.7");
    BOOST_TEST(client("", "for=192.0.2.7;x=\"a, for=1.1.1.1\"") == "192.0.2.7");
    BOOST_TEST(client("", "for=192.0.2.7;x=\"a\\\", for=1.1.1.1\"") == "192.0.2.7");
    for (auto const* const none :
         {"proto=https", "for=192.0.2.7, by=10.0.0.2", "for=\"192.0.2.7", "for=unknown", "for", "=", "\"", "\\"}) {
        BOOST_TEST_CONTEXT(none) BOOST_TEST(client("", none) == "10.0.0.1");
    }
}

BOOST_AUTO_TEST_CASE(a_quote_that_a_client_opens_hides_nothing)
{
    BOOST_TEST(client("\", 192.0.2.7") == "192.0.2.7");
    for (auto const* const begin : {"for=\"", "for=\"a\\", "x=\"\\\"", "\"\"\""}) {
        BOOST_TEST_CONTEXT(begin) BOOST_TEST(client("", std::string{begin} + ", for=192.0.2.7") == "192.0.2.7");
    }
    BOOST_TEST(client("", "for=192.0.2.7;host=\"a, for=1.1.1.1\"") == "192.0.2.7");
    BOOST_TEST(client("", "for=192.0.2.7;host=\"a\\\", for=1.1.1.1, \\\\\"") == "192.0.2.7");
}

BOOST_AUTO_TEST_CASE(one_list_counts)
{
    // A proxy that writes X-Forwarded-For passes on what the client wrote into Forwarded.
    BOOST_TEST(client("192.0.2.7", "for=1.1.1.1") == "192.0.2.7");
}

BOOST_AUTO_TEST_CASE(so_many_addresses_are_looked_at)
{
    std::string proxies;
    for (std::size_t i = 1; i < max_forwarded_hops; ++i) proxies += ", 10.0.0.2";
    BOOST_TEST(client("192.0.2.7" + proxies) == "192.0.2.7");
    BOOST_TEST(client("192.0.2.7" + proxies + ", 10.0.0.3") == "10.0.0.2");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
