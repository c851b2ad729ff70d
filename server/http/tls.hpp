#pragma once

// TLS for the public addresses, by OpenSSL: 1.2 and 1.3, with the protocol http/1.1 (ALPN, RFC 7301).
//
// Model: `tls_identity` is the certificate and its key; each connection has a session of the identity that is valid when it
// begins. A session reads and writes the connection's socket itself, and releases its buffers while it is idle.
//
// The functions never wait: they return what the session needs first (io_outcome.hpp).

#include <pgtally/server/http/io_outcome.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace pgtally::server {

struct tls_free {
    void operator()(ssl_st* session) const noexcept;
    void operator()(ssl_ctx_st* context) const noexcept;
};

using tls_session = std::unique_ptr<ssl_st, tls_free>;

// A certificate or a key that cannot be used. The text names the file and says why.
struct bad_certificate : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class tls_identity {
public:
    // PEM files: the certificate, followed by those that lead to its authority, and the certificate's key without a
    // passphrase. Throws bad_certificate.
    tls_identity(std::string certificate_file, std::string key_file);

    // Reads the files again. Throws bad_certificate, and stays as it was. Connections keep what they began with.
    void read();

    // Of a connection that begins. Null if memory is short.
    tls_session session() const;

    // Who it is for, and when it ends: "CN = example.org, until 2027-01-31 12:00 UTC".
    std::string const& described() const noexcept { return described_; }
    std::chrono::system_clock::time_point ends() const noexcept { return ends_; }

private:
    std::string certificate_file_, key_file_, described_{};
    std::chrono::system_clock::time_point ends_{};
    std::unique_ptr<ssl_ctx_st, tls_free> context_{};
};

// Why a handshake failed.
enum class tls_fault {
    none,
    gone,        // the client left
    plain_http,  // the client speaks HTTP without TLS
    refused,     // by either end: the versions, the protocols, or what the client sent
};

struct tls_outcome {
    io_need need = io_need::nothing;  // nothing: the handshake is done; never: it failed
    tls_fault fault = tls_fault::none;
    std::string why{};  // of `refused`, in OpenSSL's words
};

// Joins the session with its socket. `received` has the bytes that came already.
void tls_begin(ssl_st& session, int socket, std::string_view received);

// A step of the handshake, which may compute for a millisecond.
tls_outcome tls_handshake(ssl_st& session);

io_outcome tls_read(ssl_st& session, std::span<char> into) noexcept;

// A write that needs something first must be tried again with the same bytes, and maybe more.
io_outcome tls_write(ssl_st& session, std::span<char const> from) noexcept;

// Tells the other end that no more bytes come (RFC 8446, 6.1), if the socket takes that at once.
void tls_end(ssl_st& session) noexcept;

}  // namespace pgtally::server
