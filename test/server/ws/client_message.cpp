#include <pgtally/server/ws/client_message.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_client_message)

using namespace pgtally::server;

namespace {

template <class T>
T decoded(std::string_view text)
{
    auto message = decode_client_message(text, limits{});
    BOOST_TEST_REQUIRE((std::get_if<T>(&message) != nullptr));
    return std::get<T>(std::move(message));
}

}  // namespace

BOOST_AUTO_TEST_CASE(auth)
{
    BOOST_TEST(decoded<auth_message>(R"({"type":"auth","token":"a.b.c","id":1})").token == "a.b.c");
    for (std::string_view const text :
         {R"({"type":"auth"})", R"({"type":"auth","token":1})", R"({"type":"auth","token":null})"})
        BOOST_TEST(decoded<refusal>(text).code == "bad_message");
}

BOOST_AUTO_TEST_CASE(subscribe_with_everything)
{
    auto const m = decoded<subscribe_message>(
        R"({"type":"subscribe","id":"a\n","tally":"t","keys":["x",-5,18446744073709551615],"since":{"epoch":"e","revision":17},"interval_ms":250,"more":[]})");
    BOOST_TEST(m.id == R"("a\n")");
    BOOST_TEST(m.tally == "t");
    BOOST_TEST((m.keys.value() == std::vector<std::string>{"x", "-5", "18446744073709551615"}));
    BOOST_TEST(m.since.value().epoch == "e");
    BOOST_TEST(m.since.value().revision == 17U);
    BOOST_TEST(m.interval.count() == 250);
}

BOOST_AUTO_TEST_CASE(subscribe_to_every_key_or_none)
{
    BOOST_TEST(!decoded<subscribe_message>(R"({"type":"subscribe","id":1,"tally":"t"})").keys.has_value());
    BOOST_TEST(decoded<subscribe_message>(R"({"type":"subscribe","id":1,"tally":"t","keys":[]})").keys.value().empty());
}

BOOST_AUTO_TEST_CASE(ids_differ_by_type)
{
    BOOST_TEST(decoded<unsubscribe_message>(R"({"type":"unsubscribe","id":1})").id == "1");
    BOOST_TEST(decoded<unsubscribe_message>(R"({"type":"unsubscribe","id":"1"})").id == "\"1\"");
    BOOST_TEST(decoded<unsubscribe_message>(R"({"type":"unsubscribe","id":-9223372036854775808})").id ==
               "-9223372036854775808");
}

BOOST_AUTO_TEST_CASE(others)
{
    BOOST_TEST(
        (decoded<track_message>(R"({"type":"track","id":1,"keys":["40"]})").keys == std::vector<std::string>{"40"}));
    BOOST_TEST(decoded<untrack_message>(R"({"type":"untrack","id":1,"keys":[]})").keys.empty());
    decoded<ping_message>(R"({"type":"ping"})");
}

BOOST_AUTO_TEST_CASE(refusals)
{
    struct row {
        char const *text, *id, *code;
    };
    for (auto const& [text, id, code] :
         {row{"", "", "bad_message"},
          row{"{", "", "bad_message"},
          row{"[]", "", "bad_message"},
          row{"{} x", "", "bad_message"},
          row{"{}", "", "bad_message"},
          row{R"({"id":5})", "5", "bad_message"},
          row{R"({"type":7,"id":5})", "5", "bad_message"},
          row{R"({"type":"x","id":5})", "5", "unknown_type"},
          row{R"({"type":"x","id":5.0})", "", "unknown_type"},
          row{R"({"type":"subscribe","tally":"t"})", "", "bad_message"},
          row{R"({"type":"subscribe","id":true,"tally":"t"})", "", "bad_message"},
          row{R"({"type":"subscribe","id":9223372036854775808,"tally":"t"})", "", "bad_message"},
          row{R"({"type":"subscribe","id":5})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","top":{}})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","keys":null})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","keys":[{}]})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","keys":[1.0]})", "5", "bad_key"},
          row{R"({"type":"subscribe","id":5,"tally":"t","since":[]})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","since":{"epoch":"e","revision":"1"}})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","interval_ms":60001})", "5", "bad_message"},
          row{R"({"type":"subscribe","id":5,"tally":"t","interval_ms":1.5})", "5", "bad_message"},
          row{R"({"type":"track","id":5})", "5", "bad_message"},
          row{R"({"type":"track","id":5,"keys":"x"})", "5", "bad_message"},
          row{"{\"type\":\"ping\",\"x\":\"\xff\"}", "", "bad_message"},
          row{R"({"type":"ping","x":"\ud800"})", "", "bad_message"}}) {
        BOOST_TEST_CONTEXT(text)
        {
            auto const r = decoded<refusal>(text);
            BOOST_TEST(r.id == id);
            BOOST_TEST(r.code == code);
            BOOST_TEST(!r.message.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused)
{
    std::string text = R"({"type":"ping","x":)";
    text += std::string(10'000, '[') + std::string(10'000, ']') + '}';
    BOOST_TEST(decoded<refusal>(text).code == "bad_message");
}

BOOST_AUTO_TEST_SUITE_END()
