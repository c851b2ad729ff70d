#pragma once

#include <pgtally/test/support/authority.hpp>

#include <string>

namespace pgtally::test {

/// The shared cluster speaks TLS while this object exists. Elsewhere it does not: there a proxy's steps are messages.
class tls_for_a_while {
public:
    tls_for_a_while() { serve_tls(cluster::shared(), pair()); }
    tls_for_a_while(tls_for_a_while const&) = delete;
    tls_for_a_while& operator=(tls_for_a_while const&) = delete;
    ~tls_for_a_while() { serve_plain(cluster::shared()); }

    /// What a connection string needs beside it.
    static std::string words() { return " sslmode=verify-full sslrootcert=" + signer().file(); }

private:
    static authority const& signer()
    {
        static authority const instance(cluster::shared(), "faults");
        return instance;
    }
    static key_pair const& pair()
    {
        static key_pair const instance = signer().issue("server");
        return instance;
    }
};

}  // namespace pgtally::test
