#pragma once

#include <pgtally/server/ask/certificate_fault.hpp>

#include <boost/asio/ssl.hpp>

#include <string>

namespace pgtally::server {

// Whom a client trusts by TLS, and why it does not trust a server.
//
// Only `connection` includes this file, because Asio's TLS is slow to compile.
// Lifetime: outlives the streams that it is for.
class tls_client {
public:
    // TLS 1.2 or newer, the system's authorities and those of `ca_file`, unless it is empty.
    //
    // Errors: throws std::runtime_error if the file cannot be used.
    explicit tls_client(std::string const& ca_file);
    tls_client(tls_client const&) = delete;
    tls_client& operator=(tls_client const&) = delete;

    boost::asio::ssl::context& context() noexcept { return context_; }

    // Before the handshake of a stream: the server must have a certificate for `host`, a name or an address.
    void expect(SSL* of, std::string const& host);

    // After the handshake failed: why, and what to do.
    std::string explain(boost::system::error_code failure) const;

private:
    static int take_note(int good, X509_STORE_CTX* seen);

    boost::asio::ssl::context context_;
    std::string host_;
    certificate_fault fault_;
};

}  // namespace pgtally::server
