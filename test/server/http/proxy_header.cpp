#include <pgtally/server/http/proxy_header.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_proxy_header)

namespace {

using state = proxy_header::state;

std::string const signature{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string binary(char version_and_command, char family, std::string const& rest)
{
    auto const size = rest.size();
    return signature + version_and_command + family + static_cast<char>(size >> 8) + static_cast<char>(size & 0xff) +
           rest;
}

std::string const tcp4{"\xc0\x00\x02\x07\x0a\x00\x00\x01\xc3\xcb\x1f\x90", 12};
std::string const tcp6{
    "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
    "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xc3\xcb\x1f\x90",
    36};

// Who is the client by a header that comes byte by byte, with a request after it.
std::string client(std::string const& header)
{
    auto const bytes = header + "GET / HTTP/1.1\r\n\r\n";
    for (std::size_t size = 0; size < header.size(); ++size) {
        BOOST_TEST((read_proxy_header(bytes.substr(0, size)).found == state::incomplete));
    }
    auto const read = read_proxy_header(bytes);
    BOOST_TEST((read.found == state::complete));
    BOOST_TEST(read.size == header.size());
    return read.client ? to_string(*read.client) : "none";
}

}  // namespace

BOOST_AUTO_TEST_CASE(version_1_is_a_line)
{
    BOOST_TEST(client("PROXY TCP4 192.0.2.7 10.0.0.1 50123 8080\r\n") == "192.0.2.7");
    BOOST_TEST(client("PROXY TCP6 2001:db8::7 fd00::1 50123 8080\r\n") == "2001:db8::7");
    BOOST_TEST(client("PROXY UNKNOWN\r\n") == "none");
    BOOST_TEST(client("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n") == "none");
}

BOOST_AUTO_TEST_CASE(version_2_is_binary)
{
    BOOST_TEST(client(binary('\x21', '\x11', tcp4)) == "192.0.2.7");
    BOOST_TEST(client(binary('\x21', '\x21', tcp6)) == "2001:db8::7");
    BOOST_TEST(client(binary('\x21', '\x11', tcp4 + std::string("\x04\x00\x03xyz", 6))) == "192.0.2.7");
    BOOST_TEST(client(binary('\x20', '\x00', "")) == "none");
    BOOST_TEST(client(binary('\x20', '\x11', tcp4)) == "none");
    BOOST_TEST(client(binary('\x21', '\x31', std::string(216, 'u'))) == "none");
    BOOST_TEST(client(binary('\x21', '\x11', tcp4 + std::string(max_proxy_header_bytes - 28, 'x'))) == "192.0.2.7");
}

BOOST_AUTO_TEST_CASE(another_beginning_is_no_header)
{
    for (auto const* const bytes : {"GET / HTTP/1.1", "POST /", "PROPFIND /", "\r\nGET", "\r\n\r\nGET", "x"}) {
        BOOST_TEST_CONTEXT(bytes) BOOST_TEST((read_proxy_header(bytes).found == state::absent));
    }
    for (auto const* const bytes : {"", "P", "PR", "PROXY", "\r\n", "\r\n\r\n"}) {
        BOOST_TEST_CONTEXT(bytes) BOOST_TEST((read_proxy_header(bytes).found == state::incomplete));
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_valid_is_refused)
{
    for (auto const& bytes :
         {std::string{"PROXY \r\n"}, std::string{"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"},
          std::string{"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"}, std::string{"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"},
          std::string{"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"}, std::string{"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"},
          "PROXY TCP4 " + std::string(97, 'x'), "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
          binary('\x11', '\x11', tcp4), binary('\x22', '\x11', tcp4), binary('\x21', '\x11', tcp4.substr(1)),
          binary('\x21', '\x21', tcp4), binary('\x21', '\x11', tcp4 + std::string(max_proxy_header_bytes - 27, 'x')),
          signature + std::string("\x21\x11\xff\xff", 4)}) {
        BOOST_TEST_CONTEXT(bytes) BOOST_TEST((read_proxy_header(bytes).found == state::refused));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
