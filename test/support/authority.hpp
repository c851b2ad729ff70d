#pragma once

#include <pgtally/test/support/cluster.hpp>

#include <string>

namespace pgtally::test {

/// The paths of a certificate and its key, which the cluster's owner and this program may read.
struct key_pair {
    std::string certificate;
    std::string key;
};

struct certificate_request {
    std::string subject = "localhost";                       ///< the common name
    std::string alternative = "DNS:localhost,IP:127.0.0.1";  ///< what it is valid for
    bool expired = false;                                    ///< its last day was yesterday
    std::string passphrase{};                                ///< encrypts the key; empty: not encrypted
};

/// An authority and the certificates that it signs, made by openssl in the folder of a cluster. All calls block, and
/// throw std::runtime_error if they fail.
class authority {
public:
    authority(cluster const& beside, std::string name);

    /// Its certificate, for sslrootcert and ssl_ca_file.
    [[nodiscard]] std::string const& file() const noexcept { return own_.certificate; }
    /// The same with its key: a certificate that signs itself.
    [[nodiscard]] key_pair const& own() const noexcept { return own_; }

    [[nodiscard]] key_pair issue(std::string const& name,
                                 certificate_request const& what = certificate_request()) const;

private:
    [[nodiscard]] key_pair files(std::string const& name) const;

    std::string folder_;
    std::string name_;
    key_pair own_;
};

/// New connections to the cluster may use TLS with this certificate. There is no restart.
void serve_tls(cluster const& server, key_pair const& with);
/// No new connection to the cluster can use TLS, as at first.
void serve_plain(cluster const& server);

}  // namespace pgtally::test
