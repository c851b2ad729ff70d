#include <pgtally/server/auth/token_key.hpp>

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <utility>

namespace pgtally::server {

namespace {

unsigned char const* bytes_of(std::string_view text) noexcept
{
    return reinterpret_cast<unsigned char const*>(text.data());
}

bool hmac_is(std::string const& secret, std::string_view text, std::string_view signature)
{
    std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
    unsigned size = 0;
    auto const* const done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(text),
                                  text.size(), made.data(), &size);
    return done != nullptr && signature.size() == size && CRYPTO_memcmp(made.data(), signature.data(), size) == 0;
}

// OpenSSL reads a signature of ECDSA as DER; a JWS has r and s, 32 bytes each (RFC 7518, 3.4). Empty if it has not.
std::string der_of(std::string_view signature)
{
    if (signature.size() != 64) return {};
    auto* const r = BN_bin2bn(bytes_of(signature), 32, nullptr);
    auto* const s = BN_bin2bn(bytes_of(signature.substr(32)), 32, nullptr);
    std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> const both{ECDSA_SIG_new(), &ECDSA_SIG_free};
    if (!both || r == nullptr || s == nullptr || ECDSA_SIG_set0(both.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return {};
    }
    std::string out(static_cast<std::size_t>(i2d_ECDSA_SIG(both.get(), nullptr)), '\0');
    auto* at = reinterpret_cast<unsigned char*>(out.data());
    i2d_ECDSA_SIG(both.get(), &at);
    return out;
}

bool is_signed(EVP_PKEY* by, EVP_MD const* digest, std::string_view text, std::string_view signature)
{
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const work{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
    bool const good =
        work && EVP_DigestVerifyInit(work.get(), nullptr, digest, nullptr, by) == 1 &&
        EVP_DigestVerify(work.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
    ERR_clear_error();  // else libpq's next error on this thread would quote it
    return good;
}

std::optional<algorithm> algorithm_of_key(EVP_PKEY* key)
{
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        auto const bits = EVP_PKEY_get_bits(key);
        return bits >= 2'048 && bits <= 16'384 ? std::optional{algorithm::rs256} : std::nullopt;
    }
    if (EVP_PKEY_is_a(key, "ED25519") == 1) return algorithm::eddsa;
    if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
    std::array<char, 64> group{};
    bool const known = EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1;
    return known && std::string_view{group.data()} == "prime256v1" ? std::optional{algorithm::es256} : std::nullopt;
}

}  // namespace

token_key token_key::of_secret(std::string secret, std::optional<std::string> kid)
{
    token_key out{algorithm::hs256, std::move(kid)};
    out.secret_ = std::move(secret);
    return out;
}

std::optional<token_key> token_key::of_public(std::shared_ptr<EVP_PKEY> key, std::optional<std::string> kid)
{
    auto const does = key ? algorithm_of_key(key.get()) : std::nullopt;
    if (!does) return std::nullopt;
    token_key out{*does, std::move(kid)};
    out.public_ = std::move(key);
    return out;
}

bool token_key::verifies(std::string_view text, std::string_view signature) const
{
    switch (does_) {
        case algorithm::hs256: return hmac_is(secret_, text, signature);
        case algorithm::rs256: return is_signed(public_.get(), EVP_sha256(), text, signature);
        case algorithm::es256: return is_signed(public_.get(), EVP_sha256(), text, der_of(signature));
        case algorithm::eddsa: return is_signed(public_.get(), nullptr, text, signature);
    }
    return false;
}

}  // namespace pgtally::server
