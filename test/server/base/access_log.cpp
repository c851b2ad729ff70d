#include <pgtally/server/base/access_log.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_access_log)

BOOST_AUTO_TEST_CASE(a_line_in_both_formats)
{
    served_request const one{.client = *parse_ip_address("192.0.2.7"),
                             .method = "GET",
                             .route = "/v1/tallies/{tally}",
                             .version = 11,
                             .status = 200,
                             .bytes = 345,
                             .seconds = 0.0125};
    std::chrono::system_clock::time_point const at{std::chrono::seconds{784111777}};
    BOOST_TEST(access_line(one, at, log_format::text) ==
               "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /v1/tallies/{tally} HTTP/1.1\" 200 345 0.013\n");
    BOOST_TEST(access_line(one, at, log_format::json) ==
               R"({"time":"1994-11-06T08:49:37Z","client":"192.0.2.7","method":"GET","route":"/v1/tallies/{tally}",)"
               R"("status":200,"bytes":345,"seconds":0.012500})"
               "\n");
}

BOOST_AUTO_TEST_CASE(without_a_file_nothing_is_written)
{
    access_log none{"", log_format::text};
    BOOST_TEST(!none.on());
    none.add({});
    none.flush();
    none.reopen();
    BOOST_CHECK_THROW((access_log{"/nonexistent/folder/file", log_format::text}), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
