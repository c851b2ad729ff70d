#include <pgtally/server/ask/watched.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_watched)

using namespace pgtally::server;

namespace {

std::string text(std::vector<counters_row> const& rows)
{
    std::string out;
    for (auto const& row : rows) out += row.key + '=' + std::to_string(row.counters.at(0)) + ' ';
    return out;
}

std::string take(watched& into, std::string_view name, std::string const& data)
{
    auto what = pushed_in(name, data);
    BOOST_TEST_REQUIRE(what.has_value());
    return text(into.take(std::move(*what)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_line_for_each_row_that_differs)
{
    watched what{{}};
    BOOST_TEST(take(what, "snapshot",
                    R"({"epoch":"e","revision":1,"state":"live","keys":{"a":{"n":1},"b":{"n":2}}})") == "a=1 b=2 ");
    BOOST_TEST(what.state() == "live");
    BOOST_TEST(take(what, "change", R"({"revision":2,"keys":{"b":{"n":3},"a":{"n":1}}})") == "b=3 ");
    BOOST_TEST(what.revision() == 2U);
    BOOST_TEST(take(what, "state", R"({"state":"stale","reason":"away"})").empty());
    BOOST_TEST(what.reason() == "away");
}

BOOST_AUTO_TEST_CASE(a_snapshot_in_parts_replaces_what_was_known)
{
    watched what{{}};
    take(what, "snapshot", R"({"epoch":"e","revision":1,"state":"live","keys":{"a":{"n":1},"b":{"n":2}}})");
    BOOST_TEST(take(what, "snapshot",
                    R"({"epoch":"f","revision":1,"state":"live","more":true,"keys":{"c":{"n":3}}})") == "c=3 ");
    BOOST_TEST(what.size() == 3U);
    BOOST_TEST(take(what, "snapshot", R"({"epoch":"f","revision":1,"state":"live","keys":{"a":{"n":1}}})") == "b=0 ");
    BOOST_TEST(what.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_partial_snapshot_adds)
{
    watched what{{}};
    take(what, "snapshot", R"({"epoch":"e","revision":1,"state":"live","keys":{"a":{"n":1},"b":{"n":2}}})");
    BOOST_TEST(take(what, "snapshot",
                    R"({"epoch":"e","revision":4,"state":"live","partial":true,"keys":{"a":{"n":0}}})") == "a=0 ");
    BOOST_TEST(what.size() == 2U);
}

BOOST_AUTO_TEST_CASE(named_keys_keep_their_order_and_others_are_shown_by_their_change)
{
    std::string const snapshot =
        R"({"epoch":"e","revision":1,"state":"live","keys":{"a":{"n":1},"b":{"n":2},"c":{"n":2}}})";
    watched named{{"c", "a", "b"}};
    take(named, "snapshot", snapshot);
    BOOST_TEST(text(named.shown(2).rows) == "c=2 a=1 ");
    watched all{{}};
    take(all, "snapshot", snapshot);
    take(all, "change", R"({"revision":2,"keys":{"b":{"n":9}}})");
    BOOST_TEST(text(all.shown(10).rows) == "b=9 a=1 c=2 ");
    BOOST_TEST(text(all.shown(1).rows) == "b=9 ");
}

BOOST_AUTO_TEST_CASE(what_ends_a_stream)
{
    BOOST_TEST((pushed_in("unsubscribed", R"({"reason":"dropped"})")->what == pushed::kind::ended));
    BOOST_TEST(pushed_in("error", R"({"code":"x","message":"no"})")->why == "no");
    BOOST_TEST((pushed_in("future", "{}")->what == pushed::kind::other));
    BOOST_TEST(!pushed_in("change", "[]").has_value());
    BOOST_TEST(!pushed_in("change", R"({"revision":1,"keys":{"a":{"n":1},"b":{"n":1,"m":2}}})").has_value());
    BOOST_TEST(!pushed_in("change", R"({"revision":1,"keys":{"a":{"n":1.5}}})").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
