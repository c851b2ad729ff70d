#include <pgtally/server/auth/base64url.hpp>
#include <pgtally/server/auth/key_file.hpp>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace json = boost::json;

namespace {

using public_key = std::shared_ptr<EVP_PKEY>;

// Thrown and caught in this file only.
struct bad_jwk {
    std::string_view why;
};

// The text of a member; empty if there is none, or it is no string.
std::string_view text_of(json::object const& of, std::string_view name)
{
    auto const* const value = of.if_contains({name.data(), name.size()});
    if (value == nullptr || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

std::string bytes_of(json::object const& of, std::string_view name)
{
    auto const bytes = base64url_decoded(text_of(of, name));
    if (!bytes || bytes->empty()) throw bad_jwk{"a member of a key is missing, or is not base64url"};
    return *bytes;
}

// Makes a key of parameters that OpenSSL names.
public_key made(char const* kind, OSSL_PARAM_BLD* from)
{
    std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> const parameters{OSSL_PARAM_BLD_to_param(from),
                                                                             &OSSL_PARAM_free};
    std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> const work{
        EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), &EVP_PKEY_CTX_free};
    EVP_PKEY* key = nullptr;
    if (parameters && work && EVP_PKEY_fromdata_init(work.get()) == 1)
        EVP_PKEY_fromdata(work.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
    ERR_clear_error();
    return {key, &EVP_PKEY_free};
}

using builder = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

number number_of(std::string const& bytes)
{
    auto const* const data = reinterpret_cast<unsigned char const*>(bytes.data());
    return {BN_bin2bn(data, static_cast<int>(bytes.size()), nullptr), &BN_free};
}

public_key rsa_of(json::object const& of)
{
    auto const n = number_of(bytes_of(of, "n")), e = number_of(bytes_of(of, "e"));
    builder const parts{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
    OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return made("RSA", parts.get());
}

public_key p256_of(json::object const& of)
{
    auto const x = bytes_of(of, "x"), y = bytes_of(of, "y");
    if (x.size() != 32 || y.size() != 32) throw bad_jwk{"a coordinate of a key is not of 32 bytes"};
    auto const point = '\x04' + x + y;  // uncompressed
    builder const parts{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
    OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    return made("EC", parts.get());
}

public_key ed25519_of(json::object const& of)
{
    auto const x = bytes_of(of, "x");
    auto const* const data = reinterpret_cast<unsigned char const*>(x.data());
    public_key out{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, data, x.size()), &EVP_PKEY_free};
    ERR_clear_error();
    return out;
}

bool has_operation(json::object const& of, std::string_view wanted)
{
    auto const* const listed = of.if_contains("key_ops");
    if (listed == nullptr) return true;
    auto const* const all = listed->if_array();
    return all != nullptr && std::any_of(all->begin(), all->end(), [wanted](json::value const& one) {
               return one.is_string() && wanted == std::string_view{one.get_string().data(), one.get_string().size()};
           });
}

// A key is used for what it is for: nothing if it is for something else, such as encryption or another algorithm.
std::optional<token_key> key_of(json::object const& of)
{
    auto const kind = text_of(of, "kty"), curve = text_of(of, "crv"), use = text_of(of, "use"),
               alg = text_of(of, "alg");
    if ((of.contains("use") && use != "sig") || !has_operation(of, "verify")) return std::nullopt;
    std::optional<std::string> kid;
    if (of.contains("kid")) kid = text_of(of, "kid");
    if (kind == "oct") {
        if (!alg.empty() && alg != "HS256") return std::nullopt;
        auto secret = bytes_of(of, "k");
        if (secret.size() < token_key::least_secret_bytes) throw bad_jwk{"a secret (oct) has less than 32 bytes"};
        return token_key::of_secret(std::move(secret), std::move(kid));
    }
    public_key key;
    algorithm does{};
    if (kind == "RSA") {
        if (!alg.empty() && alg != "RS256") return std::nullopt;
        does = algorithm::rs256;
    } else if (kind == "EC" && curve == "P-256") {
        if (!alg.empty() && alg != "ES256") return std::nullopt;
        does = algorithm::es256;
    } else if (kind == "OKP" && curve == "Ed25519") {
        if (!alg.empty() && alg != "EdDSA" && alg != "Ed25519") return std::nullopt;
        does = algorithm::eddsa;
    } else {
        return std::nullopt;
    }
    if (of.contains("d")) throw bad_jwk{"a key is a private one; the server needs the public one"};
    if (does == algorithm::rs256) key = rsa_of(of);
    else key = does == algorithm::es256 ? p256_of(of) : ed25519_of(of);
    auto out = token_key::of_public(std::move(key), std::move(kid));
    if (!out) throw bad_jwk{"a key is not valid, or is RSA of less than 2048 bits"};
    return out;
}

}  // namespace

key_file read_jwks(std::string_view content)
{
    auto const wrong = [](std::string_view why) { return key_file{.keys = {}, .wrong = std::string{why}}; };
    json::error_code failure;
    auto const value = json::parse({content.data(), content.size()}, failure);
    auto const* const object = failure ? nullptr : value.if_object();
    auto const* const listed = object == nullptr ? nullptr : object->if_contains("keys");
    auto const* const all = listed == nullptr ? nullptr : listed->if_array();
    if (all == nullptr) return wrong(R"(it is not a JWKS: {"keys":[…]})");
    key_file out;
    try {
        for (auto const& one : *all) {
            auto const* const jwk = one.if_object();
            if (jwk == nullptr) return wrong("it is not a JWKS: a key is not an object");
            if (auto key = key_of(*jwk)) out.keys.push_back(std::move(*key));
        }
    } catch (bad_jwk const& e) {
        return wrong(e.why);
    }
    if (out.keys.empty()) return wrong("it is a JWKS without a key for HS256, RS256, ES256 or EdDSA");
    return out;
}

}  // namespace pgtally::server
