#pragma once

#include <pgtally/test/support/authority.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <string>

namespace pgtally::test {

/// A cluster that speaks TLS, two authorities, and roles that log in in different ways. The first authority signs the
/// server's certificate and those of clients.
class tls_cluster {
public:
    /// That of this test program, created at its first use.
    static tls_cluster& shared()
    {
        static tls_cluster instance;
        return instance;
    }

    /// As a role, without a word about TLS.
    [[nodiscard]] std::string as(std::string const& role, std::string const& rest = {}) const
    {
        return "host=127.0.0.1 dbname=postgres user=" + role + " port=" + std::to_string(server.port()) + " " + rest;
    }
    /// The same with the server's name verified.
    [[nodiscard]] std::string verified_as(std::string const& role, std::string const& rest = {}) const
    {
        return as(role, "sslmode=verify-full sslrootcert=" + ours.file() + " " + rest);
    }

    cluster server{{"fsync=off", "unix_socket_directories=/tmp"}};
    authority ours{server, "ours"};
    authority theirs{server, "theirs"};
    key_pair usual = ours.issue("server");

private:
    tls_cluster()
    {
        server.sql(
            "create role plain login; create role certain login; create role clerk login password 'open-sesame'; "
            "set password_encryption = 'md5'; create role old login password 'open-sesame'");
        server.sql("alter system set ssl_ca_file = '" + ours.file() + "'");
        std::ofstream(server.folder() + "/data/pg_hba.conf") << "local all all trust\n"
                                                                "hostssl all plain 127.0.0.1/32 reject\n"
                                                                "hostssl all certain 127.0.0.1/32 cert\n"
                                                                "host all clerk 127.0.0.1/32 scram-sha-256\n"
                                                                "host all old 127.0.0.1/32 md5\n"
                                                                "host all all 127.0.0.1/32 trust\n";
        serve_tls(server, usual);
    }
};

/// The server presents another certificate while this object exists.
class presenting {
public:
    explicit presenting(key_pair const& other) { serve_tls(tls_cluster::shared().server, other); }
    presenting(presenting const&) = delete;
    presenting& operator=(presenting const&) = delete;
    ~presenting() { serve_tls(tls_cluster::shared().server, tls_cluster::shared().usual); }
};

}  // namespace pgtally::test
