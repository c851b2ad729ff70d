#include "../auth/tokens.hpp"

#include <pgtally/server/http/admission.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace pgtally::server {

using namespace pgtally::test;
using namespace std::chrono_literals;

namespace {

std::string const secret = "0123456789abcdef0123456789abcdef";

std::string with_secret(std::string const& name)
{
    std::ofstream{name, std::ios::binary} << secret;
    return name;
}

struct admission_fixture {
    admission_fixture() = default;
    admission_fixture(admission_fixture const&) = delete;
    admission_fixture& operator=(admission_fixture const&) = delete;
    ~admission_fixture() { std::filesystem::remove(name); }

    // Who it is: "operators", "anybody", "token", or the code of the refusal.
    std::string who(request asked)
    {
        asked.host = "counters.example";
        auto const refused = admit(asked, by, {"https://shop.example", "*", "null"}, std::chrono::sys_seconds{900s});
        if (refused) return std::to_string(refused->status);
        if (asked.by.by_token()) return "token";
        return asked.by.may->reads_everything() ? "operators" : asked.by.fault ? "fault" : "anybody";
    }
    std::string by_cookie(method verb, std::optional<std::string_view> origin)
    {
        return who({.verb = verb, .origin = origin, .cookies = "session=" + good});
    }

    std::string name =
        (std::filesystem::temp_directory_path() / ("pgtally_who_" + std::to_string(::getpid()))).string();
    limits bounds;
    auth_options chosen{.key_files = {with_secret(name)}, .cookie = "session"};
    authority by{chosen, bounds};
    std::string good = hs256(secret, R"({"exp":1000})");
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_admission, admission_fixture)

BOOST_AUTO_TEST_CASE(a_token_in_the_field)
{
    for (std::string const scheme : {"Bearer ", "bearer ", "BEARER   ", " Bearer\t"})
        BOOST_TEST_CONTEXT(scheme) BOOST_TEST(who({.authorization = scheme + good}) == "token");
    for (std::string const wrong : {"Bearer", "Bearer ", "Bearer x", "Bearer a, Bearer b"})
        BOOST_TEST_CONTEXT(wrong) BOOST_TEST(who({.authorization = wrong}) == "401");
    for (std::string const other : {"", "Basic dTpw", "Bearerx", "Beare"})
        BOOST_TEST_CONTEXT(other) BOOST_TEST(who({.authorization = other}) == "anybody");
    BOOST_TEST(who({.authorization = "Bearer x", .admin = true}) == "operators");
    // Whatever the page: no browser sends the field by itself.
    BOOST_TEST(who({.verb = method::post, .origin = "https://evil.example", .authorization = "Bearer " + good}) ==
               "token");
}

BOOST_AUTO_TEST_CASE(a_cookie_needs_a_page_that_is_known)
{
    BOOST_TEST(by_cookie(method::get, std::nullopt) == "token");
    BOOST_TEST(by_cookie(method::head, std::nullopt) == "token");
    BOOST_TEST(by_cookie(method::post, std::nullopt) == "403");
    for (auto const verb : {method::get, method::post}) {
        BOOST_TEST(by_cookie(verb, "https://shop.example") == "token");
        BOOST_TEST(by_cookie(verb, "https://counters.example") == "token");
    }
    // Allowed by `*` and by `null` only.
    for (std::string_view const origin : {"https://evil.example", "null"}) {
        BOOST_TEST(by_cookie(method::get, origin) == "anybody");
        BOOST_TEST(by_cookie(method::post, origin) == "403");
    }
    BOOST_TEST(who({.verb = method::get, .cookies = "session=x"}) == "fault");
    BOOST_TEST(who({.authorization = "Bearer x", .cookies = "session=" + good}) == "401");
}

BOOST_AUTO_TEST_CASE(cookies_by_name)
{
    BOOST_TEST(cookie_value("a=1; session=2;b=3", "session").value() == "2");
    BOOST_TEST(cookie_value("session=a=b", "session").value() == "a=b");
    BOOST_TEST(cookie_value(" session = 2 ", "session").value() == "2");
    for (std::string_view const none :
         {"", ";", "session", "Session=2", "xsession=2", "a=session=2", "session=1;session=1"})
        BOOST_TEST_CONTEXT(none) BOOST_TEST(!cookie_value(none, "session").has_value());
}

BOOST_AUTO_TEST_CASE(refusals)
{
    auto const status = [](access what) { return refusal_of(what, {}).status; };
    BOOST_TEST(status(access::allowed) == 200U);
    BOOST_TEST(status(access::no_token) == 401U);
    BOOST_TEST(status(access::hidden) == 404U);
    BOOST_TEST(status(access::not_allowed) == 403U);
    BOOST_TEST(challenge({}).fields.at(0).second == R"(Bearer realm="pgtally")");
    BOOST_TEST(challenge(token_fault::expired).fields.at(0).second ==
               R"(Bearer realm="pgtally", error="invalid_token", error_description="the token has expired")");
    // The description quotes nothing.
    auto const text = challenge(token_fault::rules).fields.at(0).second;
    BOOST_TEST(std::count(text.begin(), text.end(), '"') == 6);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
