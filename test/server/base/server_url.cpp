#include <pgtally/server/base/server_url.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_server_url)

using namespace pgtally::server;

namespace {

// The URL for people, and the field Host; empty if the text is no URL.
std::string read(std::string_view text)
{
    auto const url = parse_server_url(text);
    return url ? to_string(*url) + " " + host_field(*url) : "";
}

}  // namespace

BOOST_AUTO_TEST_CASE(hosts_and_ports)
{
    BOOST_TEST(read("http://127.0.0.1:8081") == "http://127.0.0.1:8081/ 127.0.0.1:8081");
    BOOST_TEST(read("http://localhost:8081/") == "http://localhost:8081/ localhost:8081");
    BOOST_TEST(read("http://[::1]:8081") == "http://[::1]:8081/ [::1]:8081");
    BOOST_TEST(read("http://counters.example") == "http://counters.example:80/ counters.example");
    BOOST_TEST(read("https://counters.example") == "https://counters.example:443/ counters.example");
    BOOST_TEST(read("https://counters.example:80") == "https://counters.example:80/ counters.example:80");
    BOOST_TEST(read("https://[2001:db8::1]") == "https://[2001:db8::1]:443/ [2001:db8::1]");
}

BOOST_AUTO_TEST_CASE(unix_sockets)
{
    BOOST_TEST(read("unix:/run/pgtally/admin.sock") == "unix:/run/pgtally/admin.sock localhost");
    BOOST_TEST(!read("unix:/" + std::string(106, 'x')).empty());
    BOOST_TEST(read("unix:/" + std::string(107, 'x')).empty());  // as many as sun_path has, and no place for the zero
}

BOOST_AUTO_TEST_CASE(what_is_none)
{
    for (auto const* const bad :
         {"", "127.0.0.1:8081", "ftp://127.0.0.1:8081", "http://me:secret@127.0.0.1:8081", "http://127.0.0.1:8081/v1",
          "http://127.0.0.1:8081/?x", "http://127.0.0.1:8081/#x", "http://:8081", "http://127.0.0.1:0",
          "http://127.0.0.1:70000", "http://", "https://", "https://x/y", "https://me@x", "unix:", "unix:/",
          "unix:admin.sock", "unix://run/admin.sock", "unix:/run/"}) {
        BOOST_TEST(read(bad) == "", bad);
    }
}

BOOST_AUTO_TEST_SUITE_END()
