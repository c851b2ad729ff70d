#include <pgtally/server/http/origin.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_origin)

using pgtally::server::canonical_origin;
using pgtally::server::origin_allowed;

BOOST_AUTO_TEST_CASE(canonical_is_one_spelling)
{
    struct row {
        char const *text, *canonical;
    };
    for (auto const& [text, canonical] :
         {row{"https://Example.ORG", "https://example.org"}, row{"HTTPS://example.org:443", "https://example.org"},
          row{"http://example.org:80", "http://example.org"}, row{"http://example.org:443", "http://example.org:443"},
          row{"http://[::1]:8080", "http://[::1]:8080"}, row{"app://local", "app://local"}}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(canonical_origin(text).value_or("none") == canonical);
    }
}

BOOST_AUTO_TEST_CASE(canonical_refuses_what_is_no_origin)
{
    for (auto const* const text :
         {"", "null", "example.org", "://example.org", "https://", "https://example.org/", "https://a b",
          "https://me@example.org", "https://example.org:", "https://example.org:0", "https://example.org:70000",
          "https://[::1", "https://::1", "https://example.org?x"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!canonical_origin(text).has_value());
    }
}

BOOST_AUTO_TEST_CASE(allowed_by_host_loopback_or_list)
{
    struct row {
        char const *origin, *host;
        std::vector<std::string> listed;
        bool allowed;
    };
    row const rows[] = {
        {"https://a.example", "a.example", {}, true},
        {"https://a.example", "a.example:443", {}, true},
        {"http://a.example", "a.example:443", {}, false},
        {"http://a.example:81", "a.example:81", {}, true},
        {"http://a.example:81", "a.example", {}, false},
        {"http://b.example", "a.example", {}, false},
        {"http://localhost:1", "127.9.9.9:2", {}, true},
        {"http://[::1]", "localhost", {}, true},
        {"http://127.0.0.1.evil.example", "127.0.0.1", {}, false},
        {"http://127.evil", "127.0.0.1", {}, false},
        {"http://localhost", "a.example", {}, false},
        {"null", "localhost", {}, false},
        {"null", "localhost", {"*"}, true},
        {"https://b.example", "a.example", {"https://c.example", "https://b.example"}, true},
        {"https://b.example", "", {}, false},
        {"null", "localhost", {"null"}, true},
        {"null", "null", {}, false},
        {"https://null", "a.example", {"null"}, false},
        {"https://b.example", "a.example", {"null"}, false},
        {"https://x.b.example", "a.example", {"https://*.b.example"}, true},
        {"https://X.y.B.example:443", "a.example", {"https://*.b.example"}, true},
        {"https://b.example", "a.example", {"https://*.b.example"}, false},
        {"https://.b.example", "a.example", {"https://*.b.example"}, false},
        {"https://xb.example", "a.example", {"https://*.b.example"}, false},
        {"https://x.b.example.evil", "a.example", {"https://*.b.example"}, false},
        {"https://evil/.b.example", "a.example", {"https://*.b.example"}, false},
        {"https://evil:1.b.example", "a.example", {"https://*.b.example"}, false},
        {"http://x.b.example", "a.example", {"https://*.b.example"}, false},
        {"https://x.b.example:8443", "a.example", {"https://*.b.example"}, false},
        {"https://x.b.example:8443", "a.example", {"https://*.b.example:8443"}, true},
    };
    for (auto const& [origin, host, listed, allowed] : rows) {
        BOOST_TEST_CONTEXT(origin << " at " << host) BOOST_TEST(origin_allowed(origin, host, listed) == allowed);
    }
}

BOOST_AUTO_TEST_CASE(rules_have_one_spelling)
{
    struct row {
        char const *text, *canonical;
    };
    for (auto const& [text, canonical] :
         {row{"*", "*"}, row{"null", "null"}, row{"HTTPS://A.example:443", "https://a.example"},
          row{"https://*.Example.org", "https://*.example.org"}, row{"HTTP://*.example.org:80", "http://*.example.org"},
          row{"http://*.localhost:3000", "http://*.localhost:3000"}, row{"https://*", "none"},
          row{"https://*.", "none"}, row{"https://*.*.org", "none"}, row{"https://a.*.org", "none"},
          row{"https://*example.org", "none"}, row{"*.example.org", "none"}, row{"https://*.example.org/", "none"},
          row{"https://*.[::1]", "none"}, row{"Null", "none"}, row{"", "none"}}) {
        BOOST_TEST_CONTEXT(text)
        BOOST_TEST(pgtally::server::canonical_origin_rule(text).value_or("none") == canonical);
    }
}

BOOST_AUTO_TEST_CASE(named_is_neither_everybody_nor_null)
{
    using pgtally::server::origin_named;
    std::vector<std::string> const rules{"*", "null", "https://a.example", "https://*.b.example"};
    for (auto const* const origin : {"https://a.example", "HTTPS://A.example:443", "https://x.b.example"})
        BOOST_TEST_CONTEXT(origin) BOOST_TEST(origin_named(origin, rules));
    for (auto const* const origin : {"null", "https://c.example", "*", "https://b.example", ""})
        BOOST_TEST_CONTEXT(origin) BOOST_TEST(!origin_named(origin, rules));
}

BOOST_AUTO_TEST_SUITE_END()
