#include <pgtally/server/base/ip_network.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_ip_network)

namespace {

ip_address at(char const* text)
{
    return parse_ip_address(text).value();
}

ip_network in(char const* text)
{
    return parse_ip_network(text).value();
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_address_has_one_text)
{
    for (auto const* const text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(to_string(at(text)) == text);
    }
    BOOST_TEST(to_string(at("2001:DB8:0:0:0:0:0:1")) == "2001:db8::1");
    BOOST_TEST(to_string(at("::ffff:192.0.2.1")) == "192.0.2.1");
    BOOST_TEST((at("::ffff:192.0.2.1") == at("192.0.2.1")));
    BOOST_TEST((at("::192.0.2.1") != at("192.0.2.1")));
}

BOOST_AUTO_TEST_CASE(what_is_no_address)
{
    using namespace std::string_view_literals;
    for (auto const text : {""sv, "1"sv, "1.2.3"sv, "1.2.3.4.5"sv, "256.0.0.1"sv, "01.2.3.4"sv, "1.2.3.4 "sv, "[::1]"sv,
                            "::1%lo"sv, "1.2.3.4:80"sv, ":::"sv, "localhost"sv, "1.2.3.4\0"sv, "1:2:3:4:5:6:7:8:9"sv}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!parse_ip_address(text).has_value());
    }
    BOOST_TEST(!parse_ip_address(std::string(1'000, '1')).has_value());
}

BOOST_AUTO_TEST_CASE(a_network_has_the_addresses_that_begin_as_it)
{
    BOOST_TEST(in("10.0.0.0/8").contains(at("10.255.0.1")));
    BOOST_TEST(in("10.0.0.0/8").contains(at("::ffff:10.0.0.1")));
    BOOST_TEST(!in("10.0.0.0/8").contains(at("11.0.0.0")));
    BOOST_TEST(in("172.16.0.0/12").contains(at("172.31.255.255")));
    BOOST_TEST(!in("172.16.0.0/12").contains(at("172.32.0.0")));
    BOOST_TEST(in("192.0.2.1").contains(at("192.0.2.1")));
    BOOST_TEST(!in("192.0.2.1").contains(at("192.0.2.2")));
    BOOST_TEST(in("0.0.0.0/0").contains(at("203.0.113.9")));
    BOOST_TEST(!in("0.0.0.0/0").contains(at("2001:db8::1")));
    BOOST_TEST(in("::/0").contains(at("203.0.113.9")));
    BOOST_TEST(in("fd00::/8").contains(at("fdff::1")));
    BOOST_TEST(!in("fd00::/8").contains(at("fe00::1")));
    BOOST_TEST(in("2001:db8::/33").contains(at("2001:db8:7fff::1")));
    BOOST_TEST(!in("2001:db8::/33").contains(at("2001:db8:8000::1")));
}

BOOST_AUTO_TEST_CASE(what_is_no_network)
{
    for (auto const* const text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8",
                                   "10.0.0.0/08x", "10.1.0.0/8", "fd00::1/8", "10.0.0.0/ 8", "10.0/8"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!parse_ip_network(text).has_value());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
