#include <pgtally/server/http/encoding.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_encoding)

BOOST_AUTO_TEST_CASE(gzip_is_taken_if_it_is_named_and_not_refused)
{
    for (auto const* const field :
         {"gzip", "GZIP", "deflate, gzip;q=1.0, *;q=0.5", "br , gzip ; q=0.001", "x-gzip", "*", "identity;q=0, *"})
        BOOST_TEST(accepts_gzip(field), field);
    for (auto const* const field :
         {"", "identity", "br", "gzip;q=0", "gzip; Q=0.000", "*;q=0", "gzip;q=0, *", "gzipped", ",", ";q=1"})
        BOOST_TEST(!accepts_gzip(field), field);
}

BOOST_AUTO_TEST_CASE(openmetrics_is_taken_if_it_is_named_and_not_refused)
{
    for (auto const* const field :
         {"application/openmetrics-text", "text/plain;q=0.5, Application/OpenMetrics-Text ; version=1.0.0",
          "application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"})
        BOOST_TEST(accepts_openmetrics(field), field);
    for (auto const* const field : {"", "*/*", "text/plain", "application/openmetrics-text;q=0",
                                    "application/openmetrics-text;version=1.0.0; q=0.0", "openmetrics-text", ","})
        BOOST_TEST(!accepts_openmetrics(field), field);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
