#include <pgtally/server/base/log_limit.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

namespace {

using namespace std::chrono_literals;

struct limit_fixture {
    log_limit limit{{.window = 10s, .per_kind = 3, .most = 5}};
    log_limit::clock::time_point now{};

    bool admit(std::string_view line, std::string_view kind = "k") { return limit.admit(kind, line, now); }
    std::string due()
    {
        std::string out;
        for (auto const& line : limit.due(now)) out += line + '\n';
        return out;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_log_limit, limit_fixture)

BOOST_AUTO_TEST_CASE(a_line_that_repeats_is_counted)
{
    BOOST_TEST(admit("lost"));
    for (int i = 0; i < 4; ++i) BOOST_TEST(!admit("lost"));
    BOOST_TEST(admit("found"));
    BOOST_TEST(due() == "");
    now += 10s;
    BOOST_TEST(due() == "4 more times: lost\n");
    BOOST_TEST(due() == "");
    BOOST_TEST(admit("lost"));
}

BOOST_AUTO_TEST_CASE(a_window_that_ended_begins_anew_before_it_is_reported)
{
    BOOST_TEST(admit("lost"));
    BOOST_TEST(!admit("lost"));
    now += 11s;
    BOOST_TEST(admit("lost"));
    now += 10s;
    due();
    BOOST_TEST(admit("lost"));
}

BOOST_AUTO_TEST_CASE(many_lines_of_a_kind_are_counted)
{
    for (auto const* const line : {"1", "2", "3"}) BOOST_TEST(admit(line));
    for (auto const* const line : {"4", "5"}) BOOST_TEST(!admit(line));
    BOOST_TEST(admit("6", "another kind"));
    now += 10s;
    BOOST_TEST(due() == "2 more times with other values: k\n");
    BOOST_TEST(admit("4"));
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_limited)
{
    for (int i = 0; i < 100; ++i) BOOST_TEST(admit(std::to_string(i), std::to_string(i)));
    // Five of them are remembered, and the others would be written again.
    BOOST_TEST(!admit("0", "0"));
    BOOST_TEST(admit("99", "99"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
