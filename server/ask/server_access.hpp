#pragma once

#include <pgtally/server/base/server_url.hpp>

#include <string>

namespace pgtally::server {

// Where the token of a request comes from. It never stands on the command line, where `ps` shows it to everybody.
struct token_source {
    std::string file{};  // of --token-file; read for each connection, so that the token may be rotated
    std::string text{};  // of PGTALLY_TOKEN, used without a file; both empty: there is no token
};

// How a command reaches a server.
struct server_access {
    server_url url{};
    token_source token{};
    std::string ca_file{};  // of --ca-file: certificates that are trusted beside the system's
};

// The token as it is now; empty if there is none.
//
// Errors: throws std::runtime_error, which names the file, if it cannot be read, or holds no single token of at most
// `limits::max_token_bytes`.
std::string read_token(token_source const& from);

// What to do about a status that a token can cause, 401, 403 or 404; empty for others.
std::string advice_on(unsigned status, token_source const& from);

}  // namespace pgtally::server
