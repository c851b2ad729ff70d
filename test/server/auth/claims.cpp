#include "tokens.hpp"

#include <pgtally/server/auth/claims.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::sys_seconds now{1'000'000s};

std::string judged(std::string_view payload, claims_wanted const& wanted = {{}, {}, 30s})
{
    auto const out = read_claims(payload, wanted, now);
    if (auto const* const fault = std::get_if<token_fault>(&out)) return std::string{explain(*fault)};
    return std::to_string(std::get<claims>(out).until.time_since_epoch().count());
}

std::string text(token_fault what)
{
    return std::string{explain(what)};
}

rights rights_of(std::string const& rules)
{
    auto out = read_claims(R"({"exp":1000001,"pgtally":)" + rules + "}", {{}, {}, 30s}, now);
    auto* const good = std::get_if<claims>(&out);
    BOOST_TEST_REQUIRE(good != nullptr);
    return std::move(good->gives);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_claims)

BOOST_AUTO_TEST_CASE(a_token_has_an_end)
{
    BOOST_TEST(judged(R"({"exp":1000001})") == "1000001");
    BOOST_TEST(judged(R"({"exp":1000001.9})") == "1000001");
    BOOST_TEST(judged(R"({"exp":1e300})") == "253402300799");
    BOOST_TEST(judged(R"({"exp":18446744073709551615})") == "253402300799");
    for (std::string_view const payload :
         {"{}", R"({"exp":null})", R"({"exp":"1000001"})", R"({"exp":-1})", R"({"exp":[]})"})
        BOOST_TEST_CONTEXT(payload) BOOST_TEST(judged(payload) == text(token_fault::claims));
    for (std::string_view const payload : {"", "[]", "1", "{", R"({"exp":1000001}x)"})
        BOOST_TEST_CONTEXT(payload) BOOST_TEST(judged(payload) == text(token_fault::malformed));
}

BOOST_AUTO_TEST_CASE(clocks_may_differ_by_the_leeway)
{
    BOOST_TEST(judged(R"({"exp":999971})") == "999971");
    BOOST_TEST(judged(R"({"exp":999970})") == text(token_fault::expired));
    BOOST_TEST(judged(R"({"exp":1000001,"nbf":1000030})") == "1000001");
    BOOST_TEST(judged(R"({"exp":1000001,"nbf":1000031})") == text(token_fault::not_yet));
    BOOST_TEST(judged(R"({"exp":1000001,"nbf":"soon"})") == text(token_fault::claims));
}

BOOST_AUTO_TEST_CASE(the_audience)
{
    claims_wanted const ours{"ours", {}, 30s};
    BOOST_TEST(judged(R"({"exp":1000001,"aud":"ours"})", ours) == "1000001");
    BOOST_TEST(judged(R"({"exp":1000001,"aud":["theirs","ours"]})", ours) == "1000001");
    for (std::string_view const aud : {R"("theirs")", R"(["theirs"])", "[]", "1", R"("our")", R"("ours2")"})
        BOOST_TEST(judged(R"({"exp":1000001,"aud":)" + std::string{aud} + "}", ours) == text(token_fault::audience));
    BOOST_TEST(judged(R"({"exp":1000001})", ours) == text(token_fault::audience));
    // RFC 7519, 4.1.3: who does not identify itself with a value of `aud` refuses the token.
    BOOST_TEST(judged(R"({"exp":1000001,"aud":"ours"})") == text(token_fault::audience));
}

BOOST_AUTO_TEST_CASE(the_issuer)
{
    claims_wanted const ours{{}, "ours", 30s};
    BOOST_TEST(judged(R"({"exp":1000001,"iss":"ours"})", ours) == "1000001");
    BOOST_TEST(judged(R"({"exp":1000001,"iss":"theirs"})", ours) == text(token_fault::issuer));
    BOOST_TEST(judged(R"({"exp":1000001,"iss":["ours"]})", ours) == text(token_fault::issuer));
    BOOST_TEST(judged(R"({"exp":1000001})", ours) == text(token_fault::issuer));
    BOOST_TEST(judged(R"({"exp":1000001,"iss":"theirs"})") == "1000001");
}

BOOST_AUTO_TEST_CASE(rules)
{
    auto const of = rights_of(
        R"({"read":["tweets",{"tally":"mine","prefix":"u42/"},{"tally":"x","keys":["1",2]}],"act":["tweets.fav","polls.*"]})");
    BOOST_TEST(of.by_token());
    BOOST_TEST((of.to_whole("tweets") == access::allowed));
    BOOST_TEST((of.to_key("mine", "u42/7") == access::allowed));
    BOOST_TEST((of.to_whole("mine") == access::not_allowed));
    BOOST_TEST((of.to_key("x", "2") == access::allowed));
    BOOST_TEST((of.to_key("x", "3") == access::not_allowed));
    BOOST_TEST((of.to_act("tweets", "fav", "1") == access::allowed));
    BOOST_TEST((of.to_act("tweets", "rt", "1") == access::not_allowed));
    BOOST_TEST((rights_of("{}").to_tally("tweets") == access::hidden));
}

BOOST_AUTO_TEST_CASE(rules_that_are_not_understood_are_refused)
{
    for (std::string_view const rules :
         {"null", "[]", R"({"read":"tweets"})", R"({"read":[1]})", R"({"read":[{}]})", R"({"read":[{"tally":1}]})",
          R"({"read":[{"tally":"a","perfix":"u42/"}]})", R"({"read":[{"tally":"a","prefix":1}]})",
          R"({"read":[{"tally":"a","prefix":"b","keys":[]}]})", R"({"read":[{"tally":"a","keys":"b"}]})",
          R"({"read":[{"tally":"a","keys":[1.5]}]})", R"({"act":["tweets"]})", R"({"act":[".fav"]})",
          R"({"act":["tweets."]})", R"({"act":[{}]})", R"({"reads":[]})"}) {
        BOOST_TEST_CONTEXT(rules)
        BOOST_TEST(judged(R"({"exp":1000001,"pgtally":)" + std::string{rules} + "}") == text(token_fault::rules));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
