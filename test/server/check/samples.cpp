#include <pgtally/server/check/amounts.hpp>
#include <pgtally/server/check/samples.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>

BOOST_AUTO_TEST_SUITE(test_samples)

using namespace pgtally::server;

namespace {

constexpr std::string_view text = R"(# HELP pgtally_clients connections
# TYPE pgtally_clients gauge
pgtally_clients{protocol="http"} 3
pgtally_clients{protocol="ws"} 4.5
process_open_fds 17
pgtally_events_total{tally="a \"b\"\\\n, c="} 1e3 1700000000
pgtally_state{tally="t",state="live"} 1
pgtally_state{tally="t",state="stale"} 0
pgtally_lag_bucket{le="0.1"} 90
pgtally_lag_bucket{le="1"} 98
pgtally_lag_bucket{le="2.5"} 99
pgtally_lag_bucket{le="+Inf"} 100
pgtally_none_bucket{le="1"} 0
pgtally_none_bucket{le="+Inf"} 0
pgtally_info{host="db:5432",version="1.2"} 1
)";

}  // namespace

BOOST_AUTO_TEST_CASE(series_are_summed)
{
    auto const from = samples::parse(text);
    BOOST_TEST_REQUIRE(from.has_value());
    BOOST_TEST(from->total("pgtally_clients") == 7.5);
    BOOST_TEST(from->total("pgtally_clients", {"protocol", "ws"}) == 4.5);
    BOOST_TEST(!from->sum("pgtally_clients", {"protocol", "sse"}));
    BOOST_TEST(!from->sum("pgtally_client"));
    BOOST_TEST(from->total("process_open_fds") == 17);
    BOOST_TEST(from->of_tally("pgtally_events_total", "a \"b\"\\\n, c=").value_or(0) == 1000);
    BOOST_TEST(from->of_tally("pgtally_state", "t", {"state", "live"}).value_or(0) == 1);
    BOOST_TEST(from->label_of("pgtally_info", "host") == "db:5432");
    BOOST_TEST(from->label_of("pgtally_info", "none") == "");
}

BOOST_AUTO_TEST_CASE(quantiles_are_upper_bounds)
{
    auto const from = samples::parse(text);
    BOOST_TEST(from->quantile("pgtally_lag", 0.5).value_or(0) == 0.1);
    BOOST_TEST(from->quantile("pgtally_lag", 0.99).value_or(0) == 2.5);
    BOOST_TEST(std::isinf(from->quantile("pgtally_lag", 0.999).value_or(0)));
    BOOST_TEST(!from->quantile("pgtally_none", 0.99));
    BOOST_TEST(!from->quantile("pgtally_nothing", 0.99));
}

BOOST_AUTO_TEST_CASE(what_is_no_text_of_metrics)
{
    for (std::string_view const bad :
         {"", "\n\n", "# only a comment\n", "<html></html>", "{\"a\":1}", "name", "name{", "name{a} 1", "name{a=\"b} 1",
          "name{a=\"b\" 1", "name one", "name 1x", " {a=\"b\"} 1"}) {
        BOOST_TEST(!samples::parse(bad), bad);
    }
}

BOOST_AUTO_TEST_CASE(amounts)
{
    BOOST_TEST(span_text(0.25) == "0.25 s");
    BOOST_TEST(span_text(59.9) == "59 s");
    BOOST_TEST(span_text(180) == "3 min");
    BOOST_TEST(span_text(3 * 3600) == "3 h");
    BOOST_TEST(span_text(5 * 86'400) == "5 days");
    BOOST_TEST(size_text(17) == "17 bytes");
    BOOST_TEST(size_text(3 << 20) == "3 MiB");
    BOOST_TEST(count_text(12) == "12");
    BOOST_TEST(part_text(31, 1024) == "31 of 1024");
}

BOOST_AUTO_TEST_SUITE_END()
