// Small pure functions: durations, escapes, targets, tags, JSON.

#include <pgtally/server/base/byte_size.hpp>
#include <pgtally/server/base/duration.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/cli/install_script.hpp>
#include <pgtally/server/http/etag.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/target.hpp>

#include <boost/test/unit_test.hpp>

#include <limits>

BOOST_AUTO_TEST_SUITE(test_text)

using namespace pgtally;
using namespace pgtally::server;
using namespace std::chrono_literals;

namespace {

template <class T>
std::string json(T value)
{
    std::string out;
    append_json(out, value);
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(durations)
{
    BOOST_TEST((parse_duration("250ms") == 250ms));
    BOOST_TEST((parse_duration("5s") == 5s));
    BOOST_TEST((parse_duration("2m") == 2min));
    BOOST_TEST((parse_duration("1h") == 1h));
    BOOST_TEST((parse_duration("1000h") == 1000h));
    for (auto const* const text :
         {"", "5", "s", "-5s", "5 s", "5S", "1.5s", "5sec", "1001h", "99999999999999999999s", "1d"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!parse_duration(text).has_value());
    }
}

BOOST_AUTO_TEST_CASE(byte_sizes)
{
    BOOST_TEST(parse_byte_size("0").value() == 0U);
    BOOST_TEST(parse_byte_size("1048576").value() == 1U << 20);
    BOOST_TEST(parse_byte_size("3KiB").value() == 3U << 10);
    BOOST_TEST(parse_byte_size("2MiB").value() == 2U << 20);
    BOOST_TEST(parse_byte_size("1GiB").value() == 1U << 30);
    BOOST_TEST(parse_byte_size("9223372036854775807").value() == 9223372036854775807U);
    for (auto const* const text : {"", "GiB", "-1", "+1", "1 GiB", "1GB", "1g", "1.5GiB", "1KiBx",
                                   "9223372036854775808", "8589934592GiB", "99999999999999999999"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!parse_byte_size(text).has_value());
    }
}

BOOST_AUTO_TEST_CASE(percent_decoding)
{
    BOOST_TEST(percent_decoded("a%2Fb%2fc+").value() == "a/b/c+");
    BOOST_TEST(query_decoded("a+b%2B").value() == "a b+");
    BOOST_TEST(percent_decoded("%00").value() == (std::string{'\0'}));
    for (auto const* const text : {"%", "%4", "%zz", "a%2", "%-1"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(!percent_decoded(text).has_value());
    }
}

BOOST_AUTO_TEST_CASE(targets)
{
    auto const t = split_target("/v1/a%2Fb//?key=1&x&key==&&").value();
    BOOST_TEST((t.path == std::vector<std::string_view>{"v1", "a%2Fb", "", ""}));
    BOOST_TEST((t.query == std::vector<target::parameter>{{"key", "1"}, {"x", ""}, {"key", "="}}));
    BOOST_TEST((split_target("/").value().path == std::vector<std::string_view>{""}));
    BOOST_TEST((split_target("http://a.example/b?c").value().path == std::vector<std::string_view>{"b"}));
    BOOST_TEST((split_target("http://a.example").value().path == std::vector<std::string_view>{""}));
    BOOST_TEST(!split_target("*").has_value());
    BOOST_TEST(!split_target("").has_value());
    BOOST_TEST(!split_target("a/b").has_value());
}

BOOST_AUTO_TEST_CASE(etags)
{
    auto const tag = make_etag("e-1", 17);
    auto const holds = [](std::uint64_t revision) { return revision == 17; };
    BOOST_TEST(tag == "W/\"e-1-17\"");
    for (auto const* const field :
         {"W/\"e-1-17\"", "\"e-1-17\"", "*", " * ", "\"a\", W/\"e-1-17\"", "\"a\",,W/\"e-1-17\" ,"}) {
        BOOST_TEST_CONTEXT(field) BOOST_TEST(lists(field, "e-1", holds));
    }
    for (auto const* const field : {"", "e-1-17", "\"e-1-1\"", "W/\"e-1-170\"", ",", "\"*\""}) {
        BOOST_TEST_CONTEXT(field) BOOST_TEST(!lists(field, "e-1", holds));
    }
}

// A server of the same epoch gave the tag, when it was at that revision.
BOOST_AUTO_TEST_CASE(an_etag_of_another_server)
{
    auto const holds = [](std::uint64_t revision) { return revision >= 17 && revision <= 20; };
    for (auto const* const field : {"W/\"e-1-18\"", "W/\"e-1-20\"", "\"x\", \"e-1-19\""}) {
        BOOST_TEST_CONTEXT(field) BOOST_TEST(lists(field, "e-1", holds));
    }
    for (auto const* const field :
         {"W/\"e-1-16\"", "W/\"e-1-21\"", "W/\"e-2-18\"", "W/\"e-1-\"", "W/\"e-1-18", "W/\"e-1-18x\"", "W/\"e-1--18\"",
          "W/\"e-1-99999999999999999999\"", "W/\"\"", "\""}) {
        BOOST_TEST_CONTEXT(field) BOOST_TEST(!lists(field, "e-1", holds));
    }
}

BOOST_AUTO_TEST_CASE(json_strings)
{
    BOOST_TEST(json(std::string_view{"a\"\\\n\r\t\x01\x1f/ä"}) == R"("a\"\\\n\r\t\u0001\u001f/ä")");
    BOOST_TEST(json(std::string_view{}) == "\"\"");
    BOOST_TEST(json(std::string_view{"\0", 1}) == "\"\\u0000\"");
}

BOOST_AUTO_TEST_CASE(json_integers)
{
    BOOST_TEST(json(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
    BOOST_TEST(json(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    BOOST_TEST(json(cache::wide_sum{0}) == "0");
    auto const wide = cache::wide_sum{std::numeric_limits<std::int64_t>::max()} * 3;
    BOOST_TEST(json(wide) == "27670116110564327421");
    BOOST_TEST(json(cache::wide_sum{-wide}) == "-27670116110564327421");
    auto const least = static_cast<cache::wide_sum>(static_cast<cache::wide_sum>(1) << 126) * -2;
    BOOST_TEST(json(least) == "-170141183460469231731687303715884105728");
}

BOOST_AUTO_TEST_CASE(problems)
{
    auto const p = problem(404, "unknown_tally", "no \"x\"");
    BOOST_TEST(p.content_type == "application/problem+json");
    BOOST_TEST(p.body ==
               R"({"type":"about:blank","title":"Not Found","status":404,"code":"unknown_tally","detail":"no \"x\""})");
    BOOST_TEST(p.fields.empty());
}

BOOST_AUTO_TEST_CASE(heads)
{
    response const r{.status = 200, .body = "{}"};
    auto const plain = encode_head(r, {});
    BOOST_TEST(plain ==
               "HTTP/1.1 200 OK\r\nServer: pgtally\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
    BOOST_TEST(encode_head(r, {.version = 10, .keep_alive = true}).find("Connection: keep-alive\r\n") !=
               std::string::npos);
    BOOST_TEST(encode_head(r, {.version = 11, .keep_alive = false}).find("Connection: close\r\n") != std::string::npos);
    for (unsigned const status : {204U, 304U}) {
        BOOST_TEST(encode_head({.status = status}, {}).find("Content-Length") == std::string::npos);
    }
    for (unsigned const status : {503U, 429U}) {
        auto const head = encode_head({.status = status}, {.retry_after = 7s});
        BOOST_TEST(head.find("Retry-After: 7\r\n") != std::string::npos);
    }
    BOOST_TEST(plain.find("Retry-After") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(scripts)
{
    BOOST_TEST(quote_literal("a'b") == "'a''b'");
    BOOST_TEST(quote_literal("a\\b") == " E'a\\\\b'");
    schema_file const files[] = {{"001_a.sql", "select 1;"}, {"002_b.sql", "select 2;\n"}};
    auto const script = install_script(files, {"a'b"}, {"c"});
    BOOST_TEST(script.starts_with("begin isolation level read committed read write;\n"));
    BOOST_TEST(script.find("('lock_timeout', '2000')") < script.find("select 1;"));
    BOOST_TEST(script.ends_with("select tally.grant_server('a''b');\nselect tally.grant_create('c');\n\ncommit;\n"));
    BOOST_TEST(script.find("select 1;") < script.find("select 2;"));
}

BOOST_AUTO_TEST_SUITE_END()
