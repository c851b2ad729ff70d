#pragma once

// Makes tokens and keys, right ones and wrong ones.

#include <pgtally/server/auth/key_file.hpp>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pgtally::test {

inline std::string base64url(std::string_view bytes)
{
    constexpr char const* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned held = 0, count = 0;
    for (char const c : bytes) {
        held = (held << 8U) | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) out += alphabet[(held >> (count - 6)) & 63U];
    }
    if (count > 0) out += alphabet[(held << (6 - count)) & 63U];
    return out;
}

inline std::string unsigned_token(std::string_view header, std::string_view payload)
{
    return base64url(header) + '.' + base64url(payload);
}

inline std::string hmac(std::string_view secret, std::string_view text)
{
    std::string out(32, '\0');
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<unsigned char const*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(out.data()),
         nullptr);
    return out;
}

inline std::string hs256(std::string_view secret, std::string_view payload,
                         std::string_view header = R"({"alg":"HS256"})")
{
    auto const text = unsigned_token(header, payload);
    return text + '.' + base64url(hmac(secret, text));
}

// A key pair, for as long as a test needs it.
class key_pair {
public:
    explicit key_pair(EVP_PKEY* made) : key_{made, &EVP_PKEY_free}
    {
        if (!key_) throw std::runtime_error{"no key was made"};
    }
    static key_pair rsa(unsigned bits)
    {
        return key_pair{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits})};
    }
    static key_pair curve(char const* name) { return key_pair{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", name)}; }
    static key_pair ed25519() { return key_pair{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")}; }

    std::string public_pem() const
    {
        std::unique_ptr<BIO, decltype(&BIO_free)> const to{BIO_new(BIO_s_mem()), &BIO_free};
        PEM_write_bio_PUBKEY(to.get(), key_.get());
        return text_of(to.get());
    }
    std::string private_pem() const
    {
        std::unique_ptr<BIO, decltype(&BIO_free)> const to{BIO_new(BIO_s_mem()), &BIO_free};
        PEM_write_bio_PrivateKey(to.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        return text_of(to.get());
    }
    std::string public_der() const
    {
        std::string out(static_cast<std::size_t>(i2d_PUBKEY(key_.get(), nullptr)), '\0');
        auto* at = reinterpret_cast<unsigned char*>(out.data());
        i2d_PUBKEY(key_.get(), &at);
        return out;
    }

    std::string rs256(std::string_view payload, std::string_view header = R"({"alg":"RS256"})") const
    {
        auto const text = unsigned_token(header, payload);
        std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const work{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
        EVP_DigestSignInit(work.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        auto const* const data = reinterpret_cast<unsigned char const*>(text.data());
        std::size_t size = 0;
        EVP_DigestSign(work.get(), nullptr, &size, data, text.size());
        std::string made(size, '\0');
        EVP_DigestSign(work.get(), reinterpret_cast<unsigned char*>(made.data()), &size, data, text.size());
        return text + '.' + base64url(made);
    }

private:
    static std::string text_of(BIO* from)
    {
        char* data = nullptr;
        auto const size = BIO_get_mem_data(from, &data);
        return {data, static_cast<std::size_t>(size)};
    }

    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace pgtally::test
