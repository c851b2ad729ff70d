#include <pgtally/server/http/address_places.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_address_places)

using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(an_address_has_so_many_places)
{
    auto const one = parse_ip_address("192.0.2.1").value(), other = parse_ip_address("192.0.2.2").value();
    address_places places{2};
    auto first = places.take(one);
    auto const second = places.take(one);
    BOOST_TEST((first && second));
    BOOST_TEST(!places.take(one).has_value());
    BOOST_TEST(places.take(other).has_value());
    first.reset();
    BOOST_TEST(places.take(one).has_value());
}

BOOST_AUTO_TEST_CASE(a_place_is_left_once)
{
    auto const one = parse_ip_address("192.0.2.1").value();
    address_places places{1};
    {
        auto from = places.take(one);
        address_places::place const to{std::move(*from)};
        from.reset();
        BOOST_TEST(!places.take(one).has_value());
    }
    BOOST_TEST(places.addresses() == 0U);
    {
        address_places::place held;
        held = std::move(*places.take(one));
        BOOST_TEST(!places.take(one).has_value());
        held = address_places::place{};
        BOOST_TEST(places.take(one).has_value());
    }
    BOOST_TEST(places.addresses() == 0U);
}

BOOST_AUTO_TEST_CASE(a_network_of_ipv6_is_one_client)
{
    address_places places{1};
    auto const held = places.take(parse_ip_address("2001:db8::1").value());
    BOOST_TEST(held.has_value());
    BOOST_TEST(!places.take(parse_ip_address("2001:db8::ffff:0:0:1").value()).has_value());
    BOOST_TEST(places.take(parse_ip_address("2001:db8:0:1::1").value()).has_value());
}

BOOST_AUTO_TEST_CASE(without_a_limit_nothing_is_counted)
{
    address_places places{0};
    auto const one = parse_ip_address("192.0.2.1").value();
    auto const first = places.take(one), second = places.take(one);
    BOOST_TEST((first && second));
    BOOST_TEST(places.addresses() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
