#pragma once

// The text of a token: a JWS of RFC 7515 in its compact form, as RFC 7519 uses it.
//
// Nothing here trusts the token. `jwt` is what it says; `key_set::verify` says whether that is true.

#include <pgtally/server/auth/token_fault.hpp>
#include <pgtally/server/base/limits.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally::server {

// The algorithms that keys can have. There is no `none`.
enum class algorithm {
    hs256,  // HMAC with SHA-256 and a secret
    rs256,  // RSA, PKCS #1 v1.5, with SHA-256
    es256,  // ECDSA over P-256 with SHA-256
    eddsa,  // Ed25519
};

// The name in a header; nothing for all other names.
std::optional<algorithm> algorithm_of(std::string_view name) noexcept;

// A token, taken apart. Lifetime: `signed_text` is a part of the token's text.
struct jwt {
    algorithm claimed{};             // by the header. It finds a key, and does not choose how the key is used.
    std::optional<std::string> kid;  // the key's name, if the header has one
    std::string_view signed_text;    // header and payload, as they are signed
    std::string signature;           // bytes
    std::string payload;             // the claims, as JSON
};

std::variant<jwt, token_fault> split_token(std::string_view text, limits const& bounds);

}  // namespace pgtally::server
