#include "tokens.hpp"

#include <pgtally/server/auth/key_set.hpp>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace pgtally::server {

using namespace pgtally::test;

namespace {

std::string const secret = "0123456789abcdef0123456789abcdef";

key_set keys_of(std::string_view content)
{
    auto read = read_key_file(content);
    BOOST_TEST_REQUIRE(read.wrong == "");
    return key_set{std::move(read.keys)};
}

std::string verdict(key_set const& keys, std::string const& token)
{
    auto const split = split_token(token, {});
    if (auto const* const fault = std::get_if<token_fault>(&split)) return std::string{explain(*fault)};
    auto const fault = keys.verify(std::get<jwt>(split));
    return fault ? std::string{explain(*fault)} : "right";
}

std::string const wrong_signature{explain(token_fault::signature)};
std::string const wrong_algorithm{explain(token_fault::algorithm)};

// A file of a test, which is gone with it.
struct file {
    explicit file(std::string const& content) { std::ofstream{name, std::ios::binary} << content; }
    file(file const&) = delete;
    file& operator=(file const&) = delete;
    ~file() { std::filesystem::remove(name); }

    std::string name =
        (std::filesystem::temp_directory_path() / ("pgtally_key_" + std::to_string(::getpid()))).string();
};

std::string refusal(std::vector<std::string> const& names, limits const& bounds = {})
{
    try {
        key_set::of_files(names, bounds);
    } catch (bad_key_file const& e) {
        return e.what();
    }
    return "taken";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_key_set)

// RFC 7515, appendices A.1 and A.3; RFC 8037, appendix A.4.
BOOST_AUTO_TEST_CASE(the_examples_of_the_standards)
{
    auto const by_secret = keys_of(
        R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]})");
    std::string const payload =
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    BOOST_TEST(verdict(by_secret, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" + payload +
                                      "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "right");
    auto const p256 = keys_of(
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
    std::string const es256 = "eyJhbGciOiJFUzI1NiJ9" + payload +
                              "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    BOOST_TEST(verdict(p256, es256) == "right");
    BOOST_TEST(verdict(p256, es256.substr(0, es256.size() - 6)) == wrong_signature);
    auto const ed25519 =
        keys_of(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
    BOOST_TEST(verdict(ed25519,
                       "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
                       "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg") == "right");
}

BOOST_AUTO_TEST_CASE(a_secret_and_what_it_did_not_sign)
{
    auto const keys = keys_of(secret + "\n");
    auto const good = hs256(secret, "{}");
    BOOST_TEST(verdict(keys, good) == "right");
    BOOST_TEST(verdict(keys, hs256("1123456789abcdef0123456789abcdef", "{}")) == wrong_signature);
    BOOST_TEST(verdict(keys, hs256(secret + "\n", "{}")) == wrong_signature);
    BOOST_TEST(verdict(keys, good.substr(0, good.rfind('.') + 1)) == wrong_signature);
    BOOST_TEST(verdict(keys, unsigned_token(R"({"alg":"HS256"})", R"({"a":1})") + good.substr(good.rfind('.'))) ==
               wrong_signature);
    BOOST_TEST(verdict(keys, unsigned_token(R"({"alg":"none"})", "{}") + '.') == wrong_algorithm);
}

BOOST_AUTO_TEST_CASE(a_public_key_is_no_secret)
{
    auto const pair = key_pair::rsa(2048);
    auto const pem = pair.public_pem();
    auto const keys = keys_of(pem);
    BOOST_TEST(verdict(keys, pair.rs256("{}")) == "right");
    for (auto const& text : {pem, pem.substr(0, pem.size() - 1), pair.public_der()}) {
        BOOST_TEST(verdict(keys, hs256(text, "{}")) == wrong_algorithm);
        // Beside a secret, too: each key has its own algorithm.
        auto both = read_key_file(pem).keys;
        both.push_back(token_key::of_secret(secret, std::nullopt));
        BOOST_TEST(verdict(key_set{both}, hs256(text, "{}")) == wrong_signature);
    }
    // The header names another algorithm than the key's.
    BOOST_TEST(verdict(keys, pair.rs256("{}", R"({"alg":"ES256"})")) == wrong_algorithm);
    BOOST_TEST(verdict(keys, key_pair::rsa(2048).rs256("{}")) == wrong_signature);
}

BOOST_AUTO_TEST_CASE(what_looks_like_a_key_is_never_a_secret)
{
    auto const pair = key_pair::rsa(2048);
    auto const pem = pair.public_pem();
    auto body = pem.substr(pem.find('\n') + 1);
    body.resize(body.rfind("-----END"));
    std::string const neither{"it is a key, but neither PEM nor a JWKS"};
    BOOST_TEST(read_key_file(pair.public_der()).wrong == neither);
    BOOST_TEST(read_key_file(body).wrong == neither);  // base64 in lines
    BOOST_TEST(read_key_file(base64url(pair.public_der())).wrong == neither);
    BOOST_TEST(read_key_file(base64url(key_pair::ed25519().public_der())).wrong == neither);
    BOOST_TEST(read_key_file("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 somebody@example").wrong == neither);
    BOOST_TEST(read_key_file(pem.substr(0, pem.size() / 2)).wrong ==
               "it has PEM that is not a public key (-----BEGIN PUBLIC KEY-----)");
    BOOST_TEST(read_key_file(pair.private_pem()).wrong.starts_with("it has a private key"));
    BOOST_TEST(read_key_file(R"({"kty":"RSA","n":"AQ","e":"AQAB"})").wrong == R"(it is not a JWKS: {"keys":[…]})");
    BOOST_TEST(read_key_file("{this is not JSON, but long enough for a secret}").wrong != "");
}

BOOST_AUTO_TEST_CASE(weak_keys_are_refused)
{
    BOOST_TEST(read_key_file(secret.substr(1)).wrong ==
               "it is neither PEM nor a JWKS, and a secret has at least 32 bytes");
    BOOST_TEST(read_key_file(secret.substr(1) + "\n").wrong != "");
    BOOST_TEST(read_key_file(" \n").wrong == "it is empty");
    BOOST_TEST(read_key_file(R"({"keys":[{"kty":"oct","k":"c2hvcnQ"}]})").wrong ==
               "a secret (oct) has less than 32 bytes");
    for (auto const& pair : {key_pair::rsa(1024), key_pair::curve("P-384")})
        BOOST_TEST(read_key_file(pair.public_pem()).wrong ==
                   "a public key is neither RSA of at least 2048 bits, P-256 nor Ed25519");
}

BOOST_AUTO_TEST_CASE(a_document_has_keys_for_other_purposes_too)
{
    std::string const good = R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
    auto const count = [](std::string const& keys) {
        auto const read = read_key_file(R"({"keys":[)" + keys + "]}");
        return read.wrong.empty() ? std::to_string(read.keys.size()) : read.wrong;
    };
    BOOST_TEST(count(good + R"(,"use":"sig","alg":"EdDSA","kid":"a"},)" + good + R"(,"key_ops":["verify"]})") == "2");
    BOOST_TEST(count(good + R"(,"use":"enc"},)" + good + R"(,"alg":"ES256"},)" + good + R"(,"key_ops":["sign"]},)" +
                     R"({"kty":"EC","crv":"P-521"},{"kty":"OKP","crv":"X25519"},)" + good + "}") == "1");
    BOOST_TEST(count(good + R"(,"use":"enc"})") == "it is a JWKS without a key for HS256, RS256, ES256 or EdDSA");
    BOOST_TEST(count(good + R"(,"d":"AQ"})") == "a key is a private one; the server needs the public one");
    BOOST_TEST(count(R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})") == "a coordinate of a key is not of 32 bytes");
    // No point of the curve.
    auto const coordinate = base64url(std::string(32, '\x01'));
    BOOST_TEST(count(R"({"kty":"EC","crv":"P-256","x":")" + coordinate + R"(","y":")" + coordinate + R"("})") ==
               "a key is not valid, or is RSA of less than 2048 bits");
    BOOST_TEST(count(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})") ==
               "a key is not valid, or is RSA of less than 2048 bits");
    BOOST_TEST(count(R"({"kty":"RSA","e":"AQAB"})") == "a member of a key is missing, or is not base64url");
    BOOST_TEST(count("1") == "it is not a JWKS: a key is not an object");
}

BOOST_AUTO_TEST_CASE(a_kid_picks_a_key)
{
    auto const other = "x" + secret;
    key_set const keys{{token_key::of_secret(secret, "a"), token_key::of_secret(other, "b")}};
    BOOST_TEST(verdict(keys, hs256(other, "{}", R"({"alg":"HS256","kid":"b"})")) == "right");
    BOOST_TEST(verdict(keys, hs256(other, "{}", R"({"alg":"HS256","kid":"a"})")) == wrong_signature);
    BOOST_TEST(verdict(keys, hs256(other, "{}", R"({"alg":"HS256","kid":"c"})")) == explain(token_fault::unknown_key));
    BOOST_TEST(verdict(keys, hs256(other, "{}")) == "right");
    // A key without a name is tried for every name.
    BOOST_TEST(verdict(keys_of(secret), hs256(secret, "{}", R"({"alg":"HS256","kid":"c"})")) == "right");
}

BOOST_AUTO_TEST_CASE(files_have_limits_and_errors_name_them)
{
    file const one{secret};
    BOOST_TEST(key_set::of_files({one.name, one.name}, {}).size() == 2U);
    BOOST_TEST(refusal({one.name + ".none"}) == one.name + ".none: No such file or directory");
    BOOST_TEST(refusal({"/tmp"}) == "/tmp: Is a directory");
    limits bounds;
    bounds.max_key_file_bytes = secret.size();
    BOOST_TEST(refusal({one.name}, bounds) == "taken");
    bounds.max_key_file_bytes = secret.size() - 1;
    BOOST_TEST(refusal({one.name}, bounds) == one.name + ": it is larger than 31 bytes");
    bounds = {};
    bounds.max_token_keys = 2;
    BOOST_TEST(refusal({one.name, one.name}, bounds) == "taken");
    BOOST_TEST(refusal({one.name, one.name, one.name}, bounds) == one.name + ": there are more than 2 keys");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
