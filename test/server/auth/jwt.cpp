#include "tokens.hpp"

#include <pgtally/server/auth/base64url.hpp>
#include <pgtally/server/auth/jwt.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

using namespace pgtally::test;

namespace {

std::string fault_of(std::string_view text, limits const& bounds = {})
{
    auto const out = split_token(text, bounds);
    auto const* const fault = std::get_if<token_fault>(&out);
    return fault == nullptr ? "taken" : std::string{explain(*fault)};
}

std::string header_fault(std::string_view header)
{
    return fault_of(unsigned_token(header, "{}") + ".AAAA");
}

std::string const malformed{explain(token_fault::malformed)};
std::string const unknown_algorithm{explain(token_fault::algorithm)};

}  // namespace

BOOST_AUTO_TEST_SUITE(test_jwt)

BOOST_AUTO_TEST_CASE(base64url_has_one_text_for_its_bytes)
{
    for (std::string const bytes : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc", "any carnal pleas"})
        BOOST_TEST(base64url_decoded(base64url(bytes)).value() == bytes);
    // Padding, the other alphabet, a space, a length that nothing has, bits left over.
    for (std::string_view const wrong : {"YQ==", "+/8A", "YW I", "YWJjZ", "YR", "YWJ\n"})
        BOOST_TEST_CONTEXT(wrong) BOOST_TEST(!base64url_decoded(wrong).has_value());
}

BOOST_AUTO_TEST_CASE(the_parts_of_a_token)
{
    auto const text = unsigned_token(R"({"alg":"RS256","kid":"a","typ":"JWT"})", R"({"exp":1})");
    auto const whole = text + ".AQID";
    auto const out = split_token(whole, {});
    auto const& token = std::get<jwt>(out);
    BOOST_TEST((token.claimed == algorithm::rs256));
    BOOST_TEST(token.kid.value() == "a");
    BOOST_TEST(token.signed_text == text);
    BOOST_TEST(token.signature == "\x01\x02\x03");
    BOOST_TEST(token.payload == R"({"exp":1})");
}

BOOST_AUTO_TEST_CASE(text_that_is_no_token_is_refused)
{
    for (std::string_view const text : {"", ".", "..", "a.b", "e30.e30.e30.e30", "e30.e30", "e3 0.e30.AAAA",
                                        "W10.e30.AAAA", "e30.e30.AAAA", "bm90.e30.AAAA"}) {
        BOOST_TEST_CONTEXT(text) BOOST_TEST(fault_of(text) == malformed);
    }
    BOOST_TEST(header_fault(R"({"alg":1})") == malformed);
    BOOST_TEST(header_fault(R"({"alg":"HS256","kid":1})") == malformed);
}

BOOST_AUTO_TEST_CASE(an_algorithm_that_no_key_has_is_refused)
{
    for (std::string const name :
         {"none", "None", "NONE", "", "hs256", "HS384", "PS256", "RS1", "ES256K", "Ed25519", "HS256 "})
        BOOST_TEST_CONTEXT(name) BOOST_TEST(header_fault(R"({"alg":")" + name + R"("})") == unknown_algorithm);
}

BOOST_AUTO_TEST_CASE(a_header_with_critical_extensions_is_refused)
{
    for (std::string_view const crit : {R"(["b64"])", "[]", "null"})
        BOOST_TEST(header_fault(R"({"alg":"HS256","crit":)" + std::string{crit} + "}") ==
                   explain(token_fault::critical));
}

BOOST_AUTO_TEST_CASE(a_token_that_is_too_long_is_refused)
{
    limits bounds;
    auto const text = hs256("secret", R"({"exp":1})");
    bounds.max_token_bytes = text.size();
    BOOST_TEST(fault_of(text, bounds) == "taken");
    bounds.max_token_bytes = text.size() - 1;
    BOOST_TEST(fault_of(text, bounds) == explain(token_fault::too_long));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
