#include <pgtally/cache/event.hpp>
#include <pgtally/cache/plain_event.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

using namespace pgtally::cache;
using namespace std::string_literals;

namespace {

event_error refusal(std::string const& payload)
{
    event e;
    return decode(payload, e);
}

constexpr char const* good = R"({"t":"tweets","x":"742","n":1,"at":1790000000000000,"d":[["33",1,0],["34",-1,1]]})";

}  // namespace

BOOST_AUTO_TEST_SUITE(test_event)

BOOST_AUTO_TEST_CASE(deltas)
{
    event e;
    BOOST_TEST((decode(good, e) == event_error::none));
    BOOST_TEST((e.what == event::kind::deltas));
    BOOST_TEST(e.tally == "tweets");
    BOOST_TEST((e.transaction == xid{742}));
    BOOST_TEST(e.n == 1U);
    BOOST_TEST(e.at_us == 1790000000000000);
    BOOST_TEST_REQUIRE(e.deltas.size() == 2U);
    BOOST_TEST(e.key(e.deltas[0]) == "33");
    BOOST_TEST(e.counters(e.deltas[0])[0] == 1);
    BOOST_TEST(e.counters(e.deltas[0])[1] == 0);
    BOOST_TEST(e.key(e.deltas[1]) == "34");
    BOOST_TEST(e.counters(e.deltas[1])[0] == -1);
    BOOST_TEST(e.counters(e.deltas[1])[1] == 1);
}

// What triggers write is decoded in a way of its own; a space before it leads through the parser.
BOOST_AUTO_TEST_CASE(both_ways_decode_to_the_same)
{
    constexpr int plain_texts = 3;  // the first ones
    int seen = 0;
    for (std::string const text :
         {R"({"t":"a","v":7,"x":"3","n":0,"at":0,"d":[["",0]]})",
          R"({"t":"a b","x":"999999999999999999","n":12,"d":[["-1",-1,5]]})",
          R"({"t":"a","x":"742","n":1,"at":1,"d":[["a b'[],",999999999999999999],["b",-999999999999999999]]})",
          R"({"t":"a","x":"742","n":1,"at":1,"d":[["~",1],["1",-0]]})",
          R"({"t":"a","x":"742","n":1,"at":1,"d":[["1",9223372036854775807]]})",
          R"({"t":"\u0061","x":"742","n":1,"d":[["\"",1],["é",1]]})", R"({"t":"a","x":"742","n":1,"d":[["1",1]] })",
          R"({"t":"a","x":"9223372036854775808","n":1,"d":[["1",1]]})"}) {
        event at_once, parsed;
        BOOST_TEST_CONTEXT(text)
        {
            event plain;
            BOOST_TEST(decode_plain(text, plain) == (seen++ < plain_texts));
            BOOST_TEST((decode(text, at_once) == event_error::none));
            BOOST_TEST((decode(' ' + text, parsed) == event_error::none));
            BOOST_TEST(at_once.tally == parsed.tally);
            BOOST_TEST((at_once.transaction == parsed.transaction && at_once.what == parsed.what));
            BOOST_TEST((at_once.v == parsed.v && at_once.n == parsed.n && at_once.at_us == parsed.at_us));
            BOOST_TEST(at_once.text == parsed.text);
            BOOST_TEST(at_once.values == parsed.values, boost::test_tools::per_element());
            BOOST_TEST(at_once.deltas.size() == parsed.deltas.size());
        }
    }
}

// Each text is one byte longer, shorter or another than an event.
BOOST_AUTO_TEST_CASE(both_ways_refuse_the_same)
{
    std::string const text = R"({"t":"a","v":7,"x":"742","n":1,"at":1,"d":[["33",1,0],["34",-1,1]]})";
    std::string const bytes = R"("\0-9a,[]{}: )"
                              "\x01\x80\xff" +
                              std::string(1, '\0');
    for (std::size_t at = 0; at <= text.size(); ++at) {
        for (char const byte : bytes) {
            auto longer = text, other = text, shorter = text;
            longer.insert(at, 1, byte);
            if (at < text.size()) {
                other[at] = byte;
                shorter.erase(at, 1);
            }
            for (auto const& each : {longer, other, shorter}) {
                BOOST_TEST_CONTEXT(each) BOOST_TEST((refusal(each) == refusal(' ' + each)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_other_kinds)
{
    event e;
    BOOST_TEST((decode(R"({"t":"a","x":"743","n":1,"at":1,"truncate":true})", e) == event_error::none));
    BOOST_TEST((e.what == event::kind::truncate));
    BOOST_TEST((decode(R"({"t":"a","x":"744","n":2,"at":1,"reload":true})", e) == event_error::none));
    BOOST_TEST((e.what == event::kind::reload));
    BOOST_TEST((decode(R"({"t":"a","x":"745","n":1,"definition":true})", e) == event_error::none));
    BOOST_TEST((e.what == event::kind::definition));
    BOOST_TEST(e.at_us == 0);
    BOOST_TEST((decode(R"({"barrier":"9b1d"})", e) == event_error::none));
    BOOST_TEST((e.what == event::kind::barrier));
    BOOST_TEST(e.barrier == "9b1d");
}

BOOST_AUTO_TEST_CASE(number_of_the_definition)
{
    event e;
    BOOST_TEST((decode(R"({"t":"a","v":12,"x":"7","n":1,"d":[["1",1]]})", e) == event_error::none));
    BOOST_TEST(e.v == 12U);
    for (auto const* const kind : {R"("truncate":true)", R"("reload":true)", R"("definition":true)"}) {
        auto const payload = R"({"t":"a","v":9223372036854775807,"x":"7","n":1,)" + std::string{kind} + "}";
        BOOST_TEST((decode(payload, e) == event_error::none), payload);
        BOOST_TEST(e.v == 9223372036854775807U);
    }
    BOOST_TEST((decode(good, e) == event_error::none));
    BOOST_TEST(e.v == 0U);
    for (auto const* const number : {"0", "-1", "1.5", "9223372036854775808"}) {
        auto const payload = R"({"t":"a","x":"7","n":1,"reload":true,"v":)" + std::string{number} + "}";
        BOOST_TEST((refusal(payload) == event_error::wrong_number), payload);
    }
    BOOST_TEST((refusal(R"({"t":"a","x":"7","n":1,"reload":true,"v":"12"})") == event_error::wrong_shape));
    BOOST_TEST((refusal(R"({"barrier":"b","v":12})") == event_error::wrong_shape));
}

BOOST_AUTO_TEST_CASE(broken)
{
    event e;
    BOOST_TEST((decode(R"({"t":"a","v":12,"x":"7","n":1,"broken":"42703 column \"m\" does not exist"})", e) ==
                event_error::none));
    BOOST_TEST((e.what == event::kind::broken));
    BOOST_TEST(e.text == R"(42703 column "m" does not exist)");
    BOOST_TEST(e.deltas.empty());
    for (auto const* const text :
         {"", "42703", "42703 ", "4270 column", "42703-column", "4270a column", "column is gone"}) {
        auto const payload = R"({"t":"a","x":"7","n":1,"broken":")" + std::string{text} + "\"}";
        BOOST_TEST((refusal(payload) == event_error::wrong_shape), payload);
    }
    BOOST_TEST((refusal(R"({"t":"a","x":"7","n":1,"broken":true})") == event_error::wrong_shape));
    BOOST_TEST((refusal(R"({"t":"a","x":"7","n":1,"broken":"42703 m","reload":true})") == event_error::wrong_shape));
}

BOOST_AUTO_TEST_CASE(members_in_any_order_with_any_space)
{
    event e;
    BOOST_TEST((decode(" {\n\"d\" : [ [ \"33\" , 5 ] ] , \"n\":9,\"x\":\"7\",\"t\":\"a\" } ", e) == event_error::none));
    BOOST_TEST(e.n == 9U);
    BOOST_TEST(e.counters(e.deltas[0])[0] == 5);
}

BOOST_AUTO_TEST_CASE(keys_with_escapes_and_every_plane)
{
    event e;
    BOOST_TEST(
        (decode(R"({"t":"a","x":"7","n":1,"d":[["a\"\\\n\u00e4\ud83d\ude00☃",1],["",2]]})", e) == event_error::none));
    BOOST_TEST(e.key(e.deltas[0]) == "a\"\\\nä😀☃");
    BOOST_TEST(e.key(e.deltas[1]).empty());
    BOOST_TEST(e.counters(e.deltas[1])[0] == 2);
}

BOOST_AUTO_TEST_CASE(deltas_of_64_bit)
{
    event e;
    BOOST_TEST((decode(R"({"t":"a","x":"7","n":1,"d":[["k",9223372036854775807,-9223372036854775808]]})", e) ==
                event_error::none));
    BOOST_TEST(e.counters(e.deltas[0])[0] == std::numeric_limits<std::int64_t>::max());
    BOOST_TEST(e.counters(e.deltas[0])[1] == std::numeric_limits<std::int64_t>::min());
}

BOOST_AUTO_TEST_CASE(an_event_is_reused_without_a_rest_of_the_last)
{
    event e;
    BOOST_TEST((decode(good, e) == event_error::none));
    BOOST_TEST((decode(R"({"t":"b","x":"8","n":2,"d":[["1",4]]})", e) == event_error::none));
    BOOST_TEST(e.deltas.size() == 1U);
    BOOST_TEST(e.counters(e.deltas[0]).size() == 1U);
    BOOST_TEST(e.at_us == 0);
    BOOST_TEST(e.tally == "b");
}

BOOST_AUTO_TEST_CASE(malformed_payloads_are_error_values)
{
    for (auto const& payload : {""s, " "s, "x"s, "{"s, "{\"t\":\"a\""s, "{\"t\":\"a\",}"s, good + "x"s, good + "{}"s,
                                "{'t':1}"s, "{\"t\":\"\xff\"}"s, "{\"t\":\"a\0b\"}"s, "\xef\xbb\xbf{}"s}) {
        BOOST_TEST((refusal(payload) == event_error::not_json), payload);
    }
    for (auto const* payload : {"{}",
                                "[]",
                                "[1",
                                "1",
                                "null",
                                "true",
                                "\"a\"",
                                R"({"t":"a"})",
                                R"({"t":"a","x":"7","n":1})",
                                R"({"t":"a","x":"7","d":[["1",1]]})",
                                R"({"t":"a","n":1,"d":[["1",1]]})",
                                R"({"x":"7","n":1,"d":[["1",1]]})",
                                R"({"t":"a","x":"7","n":1,"d":[]})",
                                R"({"t":"a","x":"7","n":1,"d":{}})",
                                R"({"t":"a","x":"7","n":1,"d":[1]})",
                                R"({"t":"a","x":"7","n":1,"d":["1",1]})",
                                R"({"t":"a","x":"7","n":1,"d":[[]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1"]]})",
                                R"({"t":"a","x":"7","n":1,"d":[[1,1]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1","1"]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1",[1]]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1",null]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1",true]]})",
                                R"({"t":1,"x":"7","n":1,"d":[["1",1]]})",
                                R"({"t":"","x":"7","n":1,"d":[["1",1]]})",
                                R"({"t":"a","x":7,"n":1,"d":[["1",1]]})",
                                R"({"t":"a","x":"7","n":"1","d":[["1",1]]})",
                                R"({"t":"a","x":"7","n":1,"d":[["1",1]],"truncate":true})",
                                R"({"t":"a","x":"7","n":1,"truncate":false})",
                                R"({"t":"a","x":"7","n":1,"truncate":1})",
                                R"({"t":"a","x":"7","n":1,"truncate":true,"reload":true})",
                                R"({"t":"a","t":"b","x":"7","n":1,"reload":true})",
                                R"({"t":"a","x":"7","n":1,"reload":true,"more":1})",
                                R"({"barrier":"b","t":"a"})",
                                R"({"barrier":1})",
                                R"({"barrier":""})",
                                R"({"t":"a","x":"7","n":1,"d":[["1",1]],"barrier":"b"})",
                                R"({"t":{"u":1},"x":"7","n":1,"reload":true})",
                                R"([{"t":"a","x":"7","n":1,"reload":true}])"}) {
        BOOST_TEST((refusal(payload) == event_error::wrong_shape), payload);
    }
    for (auto const* payload :
         {R"({"t":"a","x":"x","n":1,"reload":true})", R"({"t":"a","x":"0","n":1,"reload":true})",
          R"({"t":"a","x":"-7","n":1,"reload":true})", R"({"t":"a","x":"7","n":-1,"reload":true})",
          R"({"t":"a","x":"7","n":1.5,"reload":true})", R"({"t":"a","x":"7","n":1,"at":-1,"reload":true})",
          R"({"t":"a","x":"7","n":1,"d":[["1",1.5]]})", R"({"t":"a","x":"7","n":1,"d":[["1",9223372036854775808]]})"}) {
        BOOST_TEST((refusal(payload) == event_error::wrong_number), payload);
    }
}

BOOST_AUTO_TEST_CASE(a_payload_that_postgresql_cannot_carry)
{
    BOOST_TEST((refusal(std::string(max_payload_bytes, ' ')) == event_error::too_long));
    BOOST_TEST((refusal(std::string(max_payload_bytes - 1, ' ')) == event_error::not_json));
}

BOOST_AUTO_TEST_CASE(a_key_longer_than_keys_are)
{
    auto const with_key = [](std::size_t size) {
        return R"({"t":"a","x":"7","n":1,"d":[[")" + std::string(size, 'k') + "\",1]]}";
    };
    BOOST_TEST((refusal(with_key(512)) == event_error::none));
    BOOST_TEST((refusal(with_key(513)) == event_error::wrong_shape));
}

// Every prefix of a valid payload, and every change of one byte, decodes to an event or to an error.
BOOST_AUTO_TEST_CASE(damaged_payloads_never_throw)
{
    std::string const payload = good;
    event e;
    std::mt19937 random{742};
    std::size_t refused = 0;
    for (std::size_t i = 0; i < payload.size(); ++i) {
        BOOST_TEST((decode(payload.substr(0, i), e) != event_error::none));
        for (int k = 0; k < 50; ++k) {
            auto damaged = payload;
            damaged[i] = static_cast<char>(random());
            if (decode(damaged, e) != event_error::none) ++refused;
        }
    }
    BOOST_TEST(refused > payload.size() * 25);
}

BOOST_AUTO_TEST_SUITE_END()
