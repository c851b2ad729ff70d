#include "../../cache/tallies.hpp"

#include <pgtally/server/api/api_query.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_api_query)

namespace {

std::string outcome(response const& refused)
{
    if (refused.status == 200) return "";
    auto const at = refused.body.find(R"("code":")") + 8;
    return std::to_string(refused.status) + ' ' + refused.body.substr(at, refused.body.find('"', at) - at);
}

poll_wanted poll_of(std::string const& query)
{
    std::string const target = "/v1/tallies/t?" + query;
    return wanted_poll(split_target(target).value(), std::chrono::seconds{60});
}

}  // namespace

BOOST_AUTO_TEST_CASE(poll_needs_a_position_and_a_time)
{
    std::string const position = "00000000-0000-4000-8000-000000000001-17";
    auto const both = poll_of("wait=60&since=" + position);
    BOOST_TEST(outcome(both.refused) == "");
    BOOST_TEST(both.since.value().revision == 17U);
    BOOST_TEST(both.wait.count() == 60);
    BOOST_TEST(poll_of("since=" + position).wait.count() == 0);
    BOOST_TEST(!poll_of("other=1").since.has_value());
    for (auto const* const query : {"wait=1", "since=&wait=1", "since=17&wait=1", "wait=0&since=", "wait=61&since=",
                                    "wait=x&since=", "wait=-1&since=", "wait=4294967297&since="}) {
        auto const text = std::string{query}.ends_with("since=") ? query + position : std::string{query};
        BOOST_TEST_CONTEXT(text) BOOST_TEST(outcome(poll_of(text).refused) == "400 bad_request");
    }
}

BOOST_AUTO_TEST_CASE(lists_of_keys)
{
    cache::tally const numbers{test::tweets(), {}}, texts{test::tweets("text"), {}};
    auto const some = listed_keys(numbers, R"({"keys":["33",34,-5],"more":1})", 3);
    BOOST_TEST(outcome(some.refused) == "");
    BOOST_TEST((some.keys == std::vector<std::string>{"33", "34", "-5"}));
    BOOST_TEST((listed_keys(texts, R"({"keys":["a/b","",18446744073709551615]})", 3).keys ==
                std::vector<std::string>{"a/b", "", "18446744073709551615"}));
    struct row {
        char const *body, *outcome;
    };
    for (auto const& [body, wanted] :
         {row{"", "400 bad_body"}, row{"[33]", "400 bad_body"}, row{"{}", "400 bad_body"},
          row{R"({"keys":{}})", "400 bad_body"}, row{R"({"keys":[[1]]})", "400 bad_body"},
          row{R"({"keys":[1.0]})", "400 bad_key"}, row{R"({"keys":["1.0"]})", "400 bad_key"},
          row{R"({"keys":[1,2,3,4]})", "400 too_many_keys"}, row{R"({"keys":[1]} x)", "400 bad_body"}}) {
        BOOST_TEST_CONTEXT(body) BOOST_TEST(outcome(listed_keys(numbers, body, 3).refused) == wanted);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
