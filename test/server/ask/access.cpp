#include <pgtally/server/ask/answers.hpp>
#include <pgtally/server/ask/certificate_fault.hpp>
#include <pgtally/server/ask/follow_step.hpp>

#include <openssl/x509_vfy.h>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_access)

using namespace pgtally::server;

namespace {

token_source const nothing{};
token_source const of_a_file{"/run/token", ""};
token_source const of_the_environment{"", "eyJ"};

bool has(std::string const& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

stream_end ended(unsigned status)
{
    stream_end out;
    out.answer.status = status;
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_token_of_the_environment_is_trimmed_and_checked)
{
    BOOST_TEST(read_token(nothing) == "");
    BOOST_TEST(read_token({"", " a.b-c_d=\n"}) == "a.b-c_d=");
    for (std::string const bad : {" ", "a b", "a\r\nX: y", "\"a\"", "\xc3\xbc"}) {
        BOOST_CHECK_THROW(read_token({"", bad}), std::runtime_error);
    }
    BOOST_TEST(read_token({"", std::string(8192, 'x')}).size() == 8192U);
    BOOST_CHECK_THROW(read_token({"", std::string(8193, 'x')}), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(advice_depends_on_where_the_token_is_from)
{
    BOOST_TEST(has(advice_on(401, nothing), "--token-file FILE"));
    BOOST_TEST(has(advice_on(401, of_a_file), "into /run/token"));
    BOOST_TEST(has(advice_on(401, of_the_environment), "set PGTALLY_TOKEN"));
    BOOST_TEST(has(advice_on(403, of_a_file), "claim pgtally"));
    BOOST_TEST(has(advice_on(404, of_a_file), "does not name"));
    BOOST_TEST(advice_on(404, nothing) == "");
    BOOST_TEST(advice_on(503, of_a_file) == "");
}

BOOST_AUTO_TEST_CASE(a_refusal_is_its_detail_and_the_advice)
{
    http_answer answer{401, R"({"detail":"the token has expired"})"};
    BOOST_TEST(refusal_in(answer, of_a_file, "?") ==
               "the server answered 401: the token has expired; put a token that this server takes into /run/token");
    answer = {502, "<html>"};
    BOOST_TEST(refusal_in(answer, of_a_file, "is it one?") == "the server answered 502: is it one?");
}

BOOST_AUTO_TEST_CASE(the_end_of_a_token_is_not_the_end_of_the_tally)
{
    BOOST_TEST((pushed_in("unsubscribed", R"({"reason":"expired"})")->what == pushed::kind::expired));
    BOOST_TEST((pushed_in("unsubscribed", R"({"reason":"dropped"})")->what == pushed::kind::ended));
}

BOOST_AUTO_TEST_CASE(what_watch_does_after_a_stream)
{
    for (unsigned const passes : {200U, 429U, 500U, 503U}) {
        BOOST_TEST((after(ended(passes), false, nothing) == follow_step::ask_again), passes);
    }
    for (unsigned const stays : {400U, 403U, 404U}) {
        BOOST_TEST((after(ended(stays), true, of_a_file) == follow_step::give_up), stays);
    }
    BOOST_TEST((after(ended(0), true, nothing) == follow_step::ask_again));
    BOOST_TEST((after(ended(0), false, nothing) == follow_step::give_up));
    auto unreadable = ended(200);
    unreadable.unreadable = true;
    BOOST_TEST((after(unreadable, true, of_a_file) == follow_step::give_up));
    BOOST_TEST((after(ended(401), true, of_a_file) == follow_step::wait_for_token));
    BOOST_TEST((after(ended(401), false, of_a_file) == follow_step::give_up));
    BOOST_TEST((after(ended(401), true, of_the_environment) == follow_step::give_up));
}

BOOST_AUTO_TEST_CASE(each_fault_of_a_certificate_says_what_to_do)
{
    certificate_fault fault{X509_V_ERR_CERT_HAS_EXPIRED, "a, b", "May 1", "May 2"};
    BOOST_TEST(has(explain(fault, "h"), "expired on May 2: renew it"));
    fault.code = X509_V_ERR_CERT_NOT_YET_VALID;
    BOOST_TEST(has(explain(fault, "h"), "from May 1 only: set this machine's clock"));
    for (int const code : {X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH}) {
        fault.code = code;
        BOOST_TEST(has(explain(fault, "h"), "not for h but for a, b: use a name of the certificate in --url"));
    }
    for (int const code : {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY}) {
        fault.code = code;
        BOOST_TEST(has(explain(fault, "h"), "--ca-file FILE"));
    }
    fault.code = X509_V_ERR_CA_MD_TOO_WEAK;
    BOOST_TEST(has(explain(fault, "h"), "replace it at the server"));
}

BOOST_AUTO_TEST_SUITE_END()
