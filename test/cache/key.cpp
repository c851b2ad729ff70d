#include <pgtally/cache/key.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

using namespace pgtally::cache;

BOOST_AUTO_TEST_SUITE(test_key)

BOOST_AUTO_TEST_CASE(kind_is_of_the_type)
{
    BOOST_TEST((key_kind_of("bigint") == key_kind::bigint));
    BOOST_TEST((key_kind_of("integer") == key_kind::integer));
    BOOST_TEST((key_kind_of("smallint") == key_kind::smallint));
    for (char const* type : {"text", "uuid", "date", "numeric", "character varying(10)", ""}) {
        BOOST_TEST((key_kind_of(type) == key_kind::text), type);
    }
}

BOOST_AUTO_TEST_CASE(integer_keys_are_canonical)
{
    for (char const* text : {"0", "7", "-7", "33", "9223372036854775807", "-9223372036854775808"}) {
        auto const k = parse_key(key_kind::bigint, text);
        BOOST_TEST_REQUIRE(k.has_value(), text);
        BOOST_TEST(std::to_string(k->number) == text);
    }
    for (char const* text : {"", "-", "abc", "007", "+7", "-0", "-07", "33.0", " 7", "7 ", "1e3", "0x7", "7\n",
                             "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
        BOOST_TEST(!parse_key(key_kind::bigint, text).has_value(), text);
    }
}

BOOST_AUTO_TEST_CASE(integer_keys_are_in_their_types_range)
{
    BOOST_TEST(parse_key(key_kind::integer, "2147483647").has_value());
    BOOST_TEST(!parse_key(key_kind::integer, "2147483648").has_value());
    BOOST_TEST(parse_key(key_kind::integer, "-2147483648").has_value());
    BOOST_TEST(!parse_key(key_kind::integer, "-2147483649").has_value());
    BOOST_TEST(parse_key(key_kind::smallint, "32767").has_value());
    BOOST_TEST(!parse_key(key_kind::smallint, "32768").has_value());
}

BOOST_AUTO_TEST_CASE(text_keys_are_utf8_without_nul)
{
    for (char const* text : {"", "a", "007", "ä", "☃", "😀", "\x7f", "\xf4\x8f\xbf\xbf"}) {
        BOOST_TEST(parse_key(key_kind::text, text).has_value(), text);
    }
    using namespace std::string_literals;
    for (auto const& text :
         {"\0"s, "a\0b"s, "\x80"s, "\xc3"s, "\xc0\x80"s, "\xc1\xbf"s, "\xe0\x80\x80"s, "\xed\xa0\x80"s,
          "\xf0\x80\x80\x80"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "a\xe2\x98"s}) {
        BOOST_TEST(!parse_key(key_kind::text, text).has_value());
    }
}

BOOST_AUTO_TEST_SUITE_END()
