#include <pgtally/server/http/refused_origins.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(test_refused_origins)

BOOST_AUTO_TEST_CASE(a_line_names_the_option)
{
    limits const bounds;
    refused_origins log{bounds};
    BOOST_TEST(log.line("https://a.example", "b.example:8080", {}).value_or("none") ==
               "refused a page of the origin https://a.example that asked the host b.example:8080; "
               "--allow-origin lists those that are allowed");
}

BOOST_AUTO_TEST_CASE(a_flood_writes_a_line_now_and_then)
{
    limits const bounds;
    refused_origins log{bounds};
    refused_origins::time_point now{1h};
    int lines = 0;
    for (int i = 0; i < 1'000; ++i) lines += log.line("null", "a", now).has_value() ? 1 : 0;
    BOOST_TEST(lines == bounds.max_origin_reports);
    now += bounds.origin_report;
    auto const next = log.line("null", "a", now).value_or("none");
    BOOST_TEST(next.ends_with(" (990 more since the last line)"));
    BOOST_TEST(!log.line("null", "a", now).has_value());
}

BOOST_AUTO_TEST_CASE(what_a_client_sends_is_shortened_and_harmless)
{
    limits const bounds;
    refused_origins log{bounds};
    auto const line = log.line("a\nb\x1b[31m\xc3\xa4 " + std::string(1'000, 'x'), "", {}).value_or("none");
    BOOST_TEST(line.find("a?b?[31m???xxx") != std::string::npos);
    BOOST_TEST(line.size() < 400U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
