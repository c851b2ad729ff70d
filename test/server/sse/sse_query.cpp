#include <pgtally/server/sse/sse_query.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_sse_query)

namespace {

constexpr char const* somewhere = "00000000-0000-4000-8000-000000000001-17";
constexpr char const* elsewhere = "00000000-0000-4000-8000-000000000002-18";

events_wanted wanted(std::string const& query, std::string_view last_event_id = {})
{
    static std::string target;
    target = "/v1/tallies/t/events?" + query;
    limits bounds;
    bounds.max_query_keys = 3;
    return wanted_events("t", split_target(target).value(), last_event_id, bounds);
}

std::string code_of(response const& refused)
{
    if (refused.status == 200) return "";
    auto const at = refused.body.find(R"("code":")") + 8;
    return std::to_string(refused.status) + ' ' + refused.body.substr(at, refused.body.find('"', at) - at);
}

std::string since_of(events_wanted const& of)
{
    return of.what.since ? of.what.since->epoch + '-' + std::to_string(of.what.since->revision) : "none";
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_key_is_every_key)
{
    auto const all = wanted("");
    BOOST_TEST(all.what.tally == "t");
    BOOST_TEST(!all.what.keys.has_value());
    BOOST_TEST(since_of(all) == "none");
    BOOST_TEST(all.what.interval.count() == 0);
}

BOOST_AUTO_TEST_CASE(all_of_it)
{
    auto const some = wanted(std::string{"key=a%2Fb&key=&interval_ms=250&unknown=1&k%65y=+&since="} + somewhere);
    BOOST_REQUIRE(some.refused.status == 200U);
    BOOST_TEST((some.what.keys == std::vector<std::string>{"a/b", "", " "}));
    BOOST_TEST(some.what.interval.count() == 250);
    BOOST_TEST(since_of(some) == somewhere);
}

BOOST_AUTO_TEST_CASE(last_event_id_replaces_since)
{
    auto const since = std::string{"since="} + somewhere;
    BOOST_TEST(since_of(wanted(since, elsewhere)) == elsewhere);
    BOOST_TEST(since_of(wanted("", elsewhere)) == elsewhere);
    BOOST_TEST(since_of(wanted(since, "nonsense")) == "none");
}

BOOST_AUTO_TEST_CASE(refused)
{
    struct row {
        char const *query, *code;
    };
    for (auto const& [query, code] :
         {row{"key=%zz", "400 bad_key"}, row{"key=1&key=2&key=3&key=4", "400 too_many_keys"},
          row{"since=", "400 bad_request"}, row{"since=1-2", "400 bad_request"},
          row{"interval_ms=1.5", "400 bad_request"}, row{"interval_ms=60001", "400 bad_request"},
          row{"interval_ms=-1", "400 bad_request"}, row{"interval_ms", "400 bad_request"}, row{"interval_ms=60000", ""},
          row{"interval_ms=0", ""}}) {
        BOOST_TEST_CONTEXT(query) BOOST_TEST(code_of(wanted(query).refused) == code);
    }
}

BOOST_AUTO_TEST_CASE(refusals_of_subscriptions)
{
    BOOST_TEST(code_of(refused_events({{}, "unknown_tally", "no"}, {})) == "404 unknown_tally");
    BOOST_TEST(code_of(refused_events({{}, "bad_key", "no"}, {})) == "400 bad_key");
    BOOST_TEST(code_of(refused_events({{}, "unauthorized", "no"}, {})) == "401 unauthorized");
    BOOST_TEST(code_of(refused_events({{}, "not_allowed", "no"}, {})) == "403 not_allowed");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
