#pragma once

// The claims of a token whose signature is right: RFC 7519, and `pgtally`, what it gives.

#include <pgtally/server/auth/rights.hpp>
#include <pgtally/server/auth/token_fault.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally::server {

struct claims {
    std::chrono::sys_seconds until{};  // `exp`, without the leeway
    rights gives{};
};

// What the claims are judged by. An empty text: no such option.
struct claims_wanted {
    std::string_view audience{}, issuer{};
    std::chrono::seconds leeway{};
};

// Judges the claims at a time. A token that has an `aud` is refused by a server without an audience (RFC 7519, 4.1.3).
std::variant<claims, token_fault> read_claims(std::string_view payload, claims_wanted const& wanted,
                                              std::chrono::sys_seconds now);

}  // namespace pgtally::server
