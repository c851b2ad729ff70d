#include "tokens.hpp"

#include <pgtally/server/auth/authority.hpp>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <unistd.h>

namespace pgtally::server {

using namespace pgtally::test;
using namespace std::chrono_literals;

namespace {

struct authority_fixture {
    authority_fixture() { put("0123456789abcdef0123456789abcdef"); }
    authority_fixture(authority_fixture const&) = delete;
    authority_fixture& operator=(authority_fixture const&) = delete;
    ~authority_fixture() { std::filesystem::remove(name); }

    void put(std::string const& content) const { std::ofstream{name, std::ios::binary} << content; }
    std::string judged(authority const& by, std::string const& secret) const
    {
        auto const out = by.judge(hs256(secret, R"({"exp":1000,"aud":"ours","pgtally":{"read":["mine"]}})"),
                                  std::chrono::sys_seconds{900s});
        auto const* const fault = std::get_if<token_fault>(&out);
        return fault == nullptr ? "right" : std::string{explain(*fault)};
    }

    std::string name =
        (std::filesystem::temp_directory_path() / ("pgtally_keys_" + std::to_string(::getpid()))).string();
    limits bounds;
    auth_options chosen{.key_files = {name}, .audience = "ours", .public_tallies = {"tweets"}};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_authority, authority_fixture)

BOOST_AUTO_TEST_CASE(without_keys_everybody_may_everything)
{
    auth_options const none;
    authority const open{none, bounds};
    BOOST_TEST(!open.requires_tokens());
    BOOST_TEST(open.anybody().may->reads_everything());
    BOOST_TEST((open.end_of(open.anybody()) == permit::for_ever));
}

BOOST_AUTO_TEST_CASE(a_token_gives_its_rules_and_what_is_public)
{
    authority const by{chosen, bounds};
    BOOST_TEST((by.anybody().may->to_tally("tweets") == access::allowed));
    BOOST_TEST((by.anybody().may->to_tally("mine") == access::no_token));
    auto const out =
        by.judge(hs256("0123456789abcdef0123456789abcdef", R"({"exp":1000,"aud":"ours","pgtally":{"read":["mine"]}})"),
                 std::chrono::sys_seconds{1'029s});
    auto const& given = std::get<permit>(out);
    BOOST_TEST(given.by_token());
    BOOST_TEST((given.until == std::chrono::sys_seconds{1'000s}));
    BOOST_TEST((by.end_of(given) == std::chrono::sys_seconds{1'030s}));
    BOOST_TEST((given.may->to_tally("mine") == access::allowed));
    BOOST_TEST((given.may->to_tally("tweets") == access::allowed));
    BOOST_TEST((given.may->to_tally("x") == access::hidden));
}

BOOST_AUTO_TEST_CASE(keys_are_read_again)
{
    authority by{chosen, bounds};
    auto const old_secret = "0123456789abcdef0123456789abcdef", new_secret = "another_secret_of_more_than_32_bytes";
    BOOST_TEST(judged(by, old_secret) == "right");
    BOOST_TEST(judged(by, new_secret) == explain(token_fault::signature));
    put("too short");
    BOOST_CHECK_THROW(by.read_keys(), bad_key_file);
    BOOST_TEST(judged(by, old_secret) == "right");
    put(new_secret);
    BOOST_TEST(by.read_keys() == 1U);
    BOOST_TEST(judged(by, old_secret) == explain(token_fault::signature));
    BOOST_TEST(judged(by, new_secret) == "right");
}

BOOST_AUTO_TEST_CASE(refused_tokens_are_counted_by_reason)
{
    authority const by{chosen, bounds};
    auto const secret = "0123456789abcdef0123456789abcdef";
    auto const counts = [&by] {
        std::map<std::string, std::uint64_t, std::less<>> out;
        by.refused().each([&out](token_fault why, std::uint64_t count) { out.emplace(name_of(why), count); });
        return out;
    };
    BOOST_TEST(counts().size() == token_fault_count);
    BOOST_TEST(judged(by, secret) == "right");
    for (auto const& [reason, count] : counts()) BOOST_TEST_CONTEXT(reason) BOOST_TEST(count == 0U);
    judged(by, "another_secret_of_more_than_32_bytes");
    by.judge(hs256(secret, R"({"exp":800,"aud":"ours"})"), std::chrono::sys_seconds{900s});
    by.judge(hs256(secret, R"({"exp":800,"aud":"ours"})"), std::chrono::sys_seconds{900s});
    by.judge(hs256(secret, R"({"exp":1000,"aud":"theirs"})"), std::chrono::sys_seconds{900s});
    by.judge("x", std::chrono::sys_seconds{900s});
    BOOST_TEST(counts()["signature"] == 1U);
    BOOST_TEST(counts()["expired"] == 2U);
    BOOST_TEST(counts()["audience"] == 1U);
    BOOST_TEST(counts()["malformed"] == 1U);
    BOOST_TEST(counts()["issuer"] == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
