#include <pgtally/cache/fence.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>

using pgtally::cache::fence;
using pgtally::cache::parse_xid;
using pgtally::cache::xid;

namespace {

bool contains(char const* snapshot, std::uint64_t transaction)
{
    auto const f = fence::parse(snapshot);
    BOOST_TEST_REQUIRE(f.has_value(), snapshot);
    return f->contains(xid{transaction});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_fence)

BOOST_AUTO_TEST_CASE(contains_what_ended_before_xmin)
{
    BOOST_TEST(contains("10:20:10,12,19", 3));
    BOOST_TEST(contains("10:20:10,12,19", 9));
}

BOOST_AUTO_TEST_CASE(contains_xmin_only_if_it_is_not_listed)
{
    BOOST_TEST(!contains("10:20:10,12,19", 10));
    BOOST_TEST(contains("10:20:12,19", 10));
}

BOOST_AUTO_TEST_CASE(contains_nothing_from_xmax_on)
{
    BOOST_TEST(contains("10:20:", 19));
    BOOST_TEST(!contains("10:20:", 20));
    BOOST_TEST(!contains("10:20:", 21));
    BOOST_TEST(!contains("10:10:", 10));
    BOOST_TEST(contains("10:10:", 9));
}

BOOST_AUTO_TEST_CASE(contains_between_what_is_not_listed)
{
    for (std::uint64_t id = 10; id < 20; ++id) {
        bool const listed = id == 10 || id == 12 || id == 19;
        BOOST_TEST(contains("10:20:10,12,19", id) == !listed, id);
    }
}

BOOST_AUTO_TEST_CASE(ids_are_64_bit_and_do_not_wrap)
{
    // Beyond 2^32 a 32-bit comparison would find 4294967299 equal to 3.
    BOOST_TEST(contains("4294967299:4294967310:4294967301", 4294967298));
    BOOST_TEST(!contains("4294967299:4294967310:4294967301", 4294967301));
    BOOST_TEST(contains("4294967299:4294967310:4294967301", 5));
    BOOST_TEST(!contains("5:6:5", 4294967301));
    BOOST_TEST(contains("9223372036854775800:9223372036854775807:", 9223372036854775806));
}

BOOST_AUTO_TEST_CASE(parse_refuses_what_is_no_snapshot)
{
    for (char const* text : {"",          "10",        "10:20",    ":20:",        "10::",
                             "20:10:",    "10:20:9",   "10:20:20", "10:20:12,11", "10:20:12,12",
                             "10:20:12,", "10:20:,12", "10:20:a",  "a:20:",       "10:20::",
                             "-1:20:",    "0:20:",     " 10:20:",  "10:20: 12",   "10:18446744073709551616:"}) {
        BOOST_TEST(!fence::parse(text).has_value(), text);
    }
    BOOST_TEST(fence::parse("10:20:").has_value());
    BOOST_TEST(fence::parse("10:20:10,11").has_value());
}

BOOST_AUTO_TEST_CASE(xid_is_decimal_and_in_range)
{
    BOOST_TEST((parse_xid("3") == xid{3}));
    BOOST_TEST((parse_xid("742") == xid{742}));
    BOOST_TEST((parse_xid("9223372036854775808") == xid{9223372036854775808U}));
    for (char const* text :
         {"", "0", "1", "2", "-3", "+3", " 3", "3 ", "0x3", "3.0", "9223372036854775809", "99999999999999999999"}) {
        BOOST_TEST(!parse_xid(text).has_value(), text);
    }
}

BOOST_AUTO_TEST_SUITE_END()
