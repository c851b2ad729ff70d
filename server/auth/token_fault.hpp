#pragma once

#include <string_view>

namespace pgtally::server {

// Why a token is refused.
enum class token_fault {
    too_long,     // more than `limits::max_token_bytes`
    malformed,    // not three parts, or a part that is not what it should be
    algorithm,    // none, or one that no key of this server has
    critical,     // the header requires an extension (`crit`)
    unknown_key,  // no key has the `kid` of the header and its algorithm
    signature,    // it was made by another key, or for another text
    claims,       // a claim is missing, or is not what it should be
    rules,        // the claim `pgtally` is not what it should be
    expired,
    not_yet,   // `nbf` is in the future
    audience,  // it is for somebody else
    issuer,    // it is from somebody else
};

// The reason for people. It contains nothing of the token.
std::string_view explain(token_fault what) noexcept;

}  // namespace pgtally::server
