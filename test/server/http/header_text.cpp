#include <pgtally/server/http/header_text.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_header_text)

namespace {

using state = header_text::state;

// Looks at the bytes as they come one by one, and at all of them at once: both must say the same.
struct looked {
    explicit looked(std::string_view bytes)
    {
        header_text whole;
        what = whole.look(bytes);
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            auto const found = slowly.look(bytes.substr(0, size));
            if (found == state::incomplete) continue;
            BOOST_TEST((found == what));
            BOOST_TEST(slowly.skipped() == whole.skipped());
            if (found == state::complete) BOOST_TEST(slowly.size() == whole.size());
            return;
        }
        BOOST_TEST((what == state::incomplete));
    }
    header_text slowly;
    state what;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_header_ends_at_its_empty_line)
{
    std::string const header{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"};
    looked const found{header + "body\n"};
    BOOST_TEST((found.what == state::complete));
    BOOST_TEST(found.slowly.size() == header.size());
    BOOST_TEST(found.slowly.skipped() == 0U);
    BOOST_TEST((looked{"GET / HTTP/1.0\r\n\r\n"}.what == state::complete));
    BOOST_TEST((looked{header.substr(0, header.size() - 1)}.what == state::incomplete));
    BOOST_TEST((looked{""}.what == state::incomplete));
}

BOOST_AUTO_TEST_CASE(the_target_is_in_the_first_line)
{
    BOOST_TEST(!looked{"GET / HTTP/1.1\r"}.slowly.has_target());
    BOOST_TEST(!looked{"\r\n\r\nGET /"}.slowly.has_target());
    BOOST_TEST(looked{"GET / HTTP/1.1\r\nHost"}.slowly.has_target());
}

BOOST_AUTO_TEST_CASE(empty_lines_before_a_request_are_skipped)
{
    std::string const header{"GET / HTTP/1.1\r\n\r\n"};
    std::string empty;
    while (empty.size() < header_text::most_skipped) empty += "\r\n";
    looked const found{empty + header};
    BOOST_TEST((found.what == state::complete));
    BOOST_TEST(found.slowly.skipped() == empty.size());
    BOOST_TEST(found.slowly.size() == header.size());
    BOOST_TEST((looked{empty + "\r\n" + header}.what == state::refused));
}

BOOST_AUTO_TEST_CASE(what_others_read_differently_is_refused)
{
    using namespace std::string_literals;
    for (auto const& bytes :
         {"GET / HTTP/1.1\nHost: x\n\n"s, "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"s,
          "GET / HTTP/1.1\r\nHost: x\r\n\n"s, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"s, "\nGET / HTTP/1.1\r\n\r\n"s,
          "\rGET / HTTP/1.1\r\n\r\n"s, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"s, "GET / HTTP/1.1\r\n\tHost: x\r\n\r\n"s,
          " GET / HTTP/1.1\r\n\r\n"s, "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"s, "\x16\x03\x01\x02"s, "\0"s, ":"s,
          "\xff"s}) {
        BOOST_TEST_CONTEXT(bytes) BOOST_TEST((looked{bytes}.what == state::refused));
    }
}

BOOST_AUTO_TEST_CASE(another_version_is_one_of_http)
{
    for (auto const* const line : {"GET / HTTP/2.0", "PRI * HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/1.2"}) {
        BOOST_TEST_CONTEXT(line) BOOST_TEST(names_other_version(std::string{line} + "\r\nA: b\r\n\r\n"));
    }
    for (auto const* const line : {"GET / HTTP/1.1", "GET / HTTP/1.1 x", "GET / HTTP/11", "GET / http/2.0", "GET /"}) {
        BOOST_TEST_CONTEXT(line) BOOST_TEST(!names_other_version(std::string{line} + "\r\nA: HTTP/2.0\r\n\r\n"));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
