#include <pgtally/server/http/host.hpp>
#include <pgtally/server/http/target.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(test_host)

using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(canonical_is_one_spelling)
{
    BOOST_TEST(canonical_host("Counters.Example.ORG.").value_or("none") == "counters.example.org");
    BOOST_TEST(canonical_host("under_score").value_or("none") == "under_score");
    for (auto const* const text : {"", ".", "a b", "http://a", "a:80", "[::1]", "a/b", "a@b", "*", "caf\xc3\xa9"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!canonical_host(text).has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_host_is_a_name_or_an_address_with_or_without_a_port)
{
    for (auto const* const host :
         {"a", "A.b-c_d.", "a:80", "a:", "192.0.2.1:65535", "[::1]", "[2001:db8::1]:8080", "[::1]:"}) {
        BOOST_TEST_CONTEXT(host) BOOST_TEST(is_host(host));
    }
    for (auto const* const host :
         {"",     "a b",    "u@h", "a,b", "x:abc", "x:-1", "x:123456", "x:1:2",       ":80",  "::1",
          "[::1", "[::1]x", "[a]", "a/b", "a?b",   "a#b",  "http://a", "caf\xc3\xa9", "a\tb", "*"}) {
        BOOST_TEST_CONTEXT(host) BOOST_TEST(!is_host(host));
    }
}

BOOST_AUTO_TEST_CASE(loopback_takes_addresses_localhost_and_listed_names)
{
    std::vector<std::string> const listed{"counters.example"};
    for (auto const* const host :
         {"127.0.0.1", "127.0.0.1:8081", "192.0.2.1:", "10.0.0.1.", "localhost", "LOCALHOST:9", "localhost.", "[::1]",
          "[::1]:8081", "[2001:DB8::1]", "counters.example", "Counters.Example.:443", ""}) {
        BOOST_TEST_CONTEXT(host) BOOST_TEST(host_allowed(host, true, listed));
    }
}

BOOST_AUTO_TEST_CASE(loopback_refuses_every_other_name)
{
    std::vector<std::string> const listed{"counters.example"};
    for (auto const* const host : {"evil.example",
                                   "evil.example:8081",
                                   "127.0.0.1.evil.example",
                                   "localhost.evil.example",
                                   "xcounters.example",
                                   "a.counters.example",
                                   "localhost@evil.example",
                                   "evil.example#localhost",
                                   "127.0.0.1:80:80",
                                   "127.0.0.1:x",
                                   "127.0.0.1 evil.example",
                                   "[evil.example]",
                                   "[::1",
                                   "[::1]evil.example",
                                   "[::1]:x",
                                   "::1",
                                   "[127.0.0.1]",
                                   "127.1",
                                   "0x7f000001",
                                   "2130706433",
                                   "127.0.0.01",
                                   "[fe80::1%lo]",
                                   "localhost..",
                                   " localhost",
                                   "."}) {
        BOOST_TEST_CONTEXT(host) BOOST_TEST(!host_allowed(host, true, listed));
    }
}

BOOST_AUTO_TEST_CASE(another_address_takes_every_name_unless_some_are_listed)
{
    BOOST_TEST(host_allowed("any.example", false, {}));
    BOOST_TEST(host_allowed("not a name", false, {}));
    BOOST_TEST(!host_allowed("any.example", false, {"one.example"}));
    BOOST_TEST(host_allowed("one.example:1", false, {"one.example"}));
    BOOST_TEST(host_allowed("192.0.2.1", false, {"one.example"}));
}

BOOST_AUTO_TEST_CASE(an_absolute_target_names_its_host)
{
    BOOST_TEST(authority_of("http://a.example:80/path?q").value_or("none") == "a.example:80");
    BOOST_TEST(authority_of("https://a.example").value_or("none") == "a.example");
    BOOST_TEST(authority_of("http://a.example?x/y").value_or("none") == "a.example");
    BOOST_TEST(authority_of("HTTP://a.example").value_or("none") == "a.example");
    BOOST_TEST(authority_of("hTtPs://u@a.example:1#x").value_or("none") == "u@a.example:1");
    BOOST_TEST(authority_of("http:///path").value_or("none") == "");
    BOOST_TEST(!authority_of("ftp://a").has_value());
    BOOST_TEST(!authority_of("/http://a.example/").has_value());
    BOOST_TEST(!authority_of("*").has_value());
}

BOOST_AUTO_TEST_CASE(an_absolute_target_without_a_path_is_the_root)
{
    for (auto const* const text : {"http://x", "http://x/", "HTTP://x#f"}) {
        auto const split = split_target(text).value();
        BOOST_TEST_CONTEXT(text) BOOST_TEST((split.path == std::vector<std::string_view>{""} && split.query.empty()));
    }
    auto const split = split_target("http://x?u=/livez").value();
    BOOST_TEST((split.path == std::vector<std::string_view>{""}));
    BOOST_TEST((split.query.size() == 1U && split.query.front().name == "u" && split.query.front().value == "/livez"));
    BOOST_TEST((split_target("HTTPS://x/a/b?c").value().path == std::vector<std::string_view>{"a", "b"}));
    BOOST_TEST(!split_target("x/a").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
