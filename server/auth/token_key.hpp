#pragma once

#include <pgtally/server/auth/jwt.hpp>

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// A key that verifies tokens: a public key, or a secret. It has one algorithm, and never does another one's work: the bytes
// of a public key are no secret.
class token_key {
public:
    static constexpr std::size_t least_secret_bytes = 32;

    // A key for HS256. Precondition: at least `least_secret_bytes`.
    static token_key of_secret(std::string secret, std::optional<std::string> kid);

    // Takes a public key over. Nothing if it is of no algorithm here: RSA of 2,048 to 16,384 bits, P-256, Ed25519.
    static std::optional<token_key> of_public(std::shared_ptr<EVP_PKEY> key, std::optional<std::string> kid);

    algorithm does() const noexcept { return does_; }
    std::optional<std::string> const& kid() const noexcept { return kid_; }

    // Whether this key made the signature of the text.
    bool verifies(std::string_view text, std::string_view signature) const;

private:
    token_key(algorithm does, std::optional<std::string> kid) : does_{does}, kid_{std::move(kid)} {}

    algorithm does_;
    std::optional<std::string> kid_;
    std::string secret_{};
    std::shared_ptr<EVP_PKEY> public_{};
};

}  // namespace pgtally::server
