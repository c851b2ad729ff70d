#pragma once

// The content of a file of --auth-key.
//
// Model: a file is PEM public keys (RSA, P-256, Ed25519), a JWKS (RFC 7517), or else a secret for HS256, of which a line
// feed at the end is no part. What looks like a public key or a document is never a secret, even if it cannot be read: who
// knows a public key could then make tokens.

#include <pgtally/server/auth/token_key.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The keys in it, or what is wrong with it, for people: nothing of the content.
struct key_file {
    std::vector<token_key> keys{};
    std::string wrong{};
};

key_file read_key_file(std::string_view content);

// The same of one kind each.
key_file read_pem(std::string_view content);
key_file read_jwks(std::string_view content);

}  // namespace pgtally::server
