#include <pgtally/server/auth/token_fault.hpp>

namespace pgtally::server {

std::string_view explain(token_fault what) noexcept
{
    switch (what) {
        case token_fault::too_long: return "the token is too long";
        case token_fault::malformed: return "the token is not a JWT";
        case token_fault::algorithm: return "no key of this server has the token's algorithm";
        case token_fault::critical: return "the token requires an extension that this server does not have";
        case token_fault::unknown_key: return "this server does not have the token's key";
        case token_fault::signature: return "the token's signature is wrong";
        case token_fault::claims: return "the token's claims are not valid: exp is required, and nbf must be a number";
        case token_fault::rules:
            return R"(the token's claim pgtally is not valid; it is like {"read":["tweets"],"act":["tweets.fav"]})";
        case token_fault::expired: return "the token has expired";
        case token_fault::not_yet: return "the token is not valid yet";
        case token_fault::audience: return "the token is for another audience";
        case token_fault::issuer: return "the token is from another issuer";
    }
    return "the token is not valid";
}

std::string_view name_of(token_fault what) noexcept
{
    switch (what) {
        case token_fault::too_long: return "too_long";
        case token_fault::malformed: return "malformed";
        case token_fault::algorithm: return "algorithm";
        case token_fault::critical: return "critical";
        case token_fault::unknown_key: return "unknown_key";
        case token_fault::signature: return "signature";
        case token_fault::claims: return "claims";
        case token_fault::rules: return "rules";
        case token_fault::expired: return "expired";
        case token_fault::not_yet: return "not_yet";
        case token_fault::audience: return "audience";
        case token_fault::issuer: return "issuer";
    }
    return "other";
}

}  // namespace pgtally::server
