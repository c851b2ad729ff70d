// Certificates of the server and of clients, each right and wrong: what connects, and what is said of the rest.

#include <pgtally/test/db/failing.hpp>
#include <pgtally/test/db/tls_cluster.hpp>

#include <libpq-fe.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;
using db::errc;

namespace {

struct certificates_fixture : failing_fixture {
    tls_cluster& at = tls_cluster::shared();

    // Connects, encrypted.
    void succeeds(std::string const& conninfo, std::string const& what)
    {
        BOOST_TEST_CONTEXT(what)
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            co_await conn.connect(settings(conninfo));
            auto const rows =
                co_await conn.query_as<std::tuple<bool>>("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
            BOOST_TEST(std::get<0>(rows.one()));
        });
    }

    // From an address of the server to the name by which the client knows it.
    [[nodiscard]] std::string named(std::string const& name, std::string const& mode, authority const& root) const
    {
        return at.as("postgres",
                     "host=" + name + " hostaddr=127.0.0.1 sslmode=" + mode + " sslrootcert=" + root.file());
    }

    [[nodiscard]] std::string with(key_pair const& client, std::string const& rest = {}) const
    {
        return at.verified_as("certain", "sslcert=" + client.certificate + " sslkey=" + client.key + " " + rest);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_tls_certificates, certificates_fixture)

BOOST_AUTO_TEST_CASE(name_is_that_of_the_certificate_or_the_connection_fails)
{
    succeeds(named("localhost", "verify-full", at.ours), "the name");
    succeeds(at.verified_as("postgres"), "the address, which this certificate has too");
    auto const refused =
        fails({named("elsewhere", "verify-full", at.ours), errc::tls_failed, "", "verify-ca"}, "another name");
    BOOST_TEST(mentions(refused.what(), "localhost"));
    BOOST_TEST(mentions(refused.what(), "elsewhere"));
    succeeds(named("elsewhere", "verify-ca", at.ours), "another name, which does not matter");

    certificate_request only_name;
    only_name.alternative = "DNS:localhost";
    presenting const without_address(at.ours.issue("name", only_name));
    succeeds(named("localhost", "verify-full", at.ours), "the only name");
    fails({at.verified_as("postgres"), errc::tls_failed, "", "verify-ca"}, "the address");
}

BOOST_AUTO_TEST_CASE(authority_is_the_one_that_signed_or_the_connection_fails)
{
    for (std::string const mode : {"verify-ca", "verify-full"}) {
        succeeds(named("localhost", mode, at.ours), mode);
        fails({named("localhost", mode, at.theirs), errc::tls_failed, "", "sslrootcert"}, mode + ", another authority");
    }
    {
        certificate_request past;
        past.expired = true;
        presenting const expired(at.ours.issue("expired", past));
        fails({named("localhost", "verify-full", at.ours), errc::tls_failed, "", "expired"}, "expired");
        succeeds(at.as("postgres", "sslmode=require"), "expired, and not verified");
    }
    presenting const itself(at.theirs.own());
    fails({named("localhost", "verify-ca", at.ours), errc::tls_failed, "", "sslrootcert"}, "signed by itself");
    succeeds(named("localhost", "verify-ca", at.theirs), "signed by itself, and trusted");
}

BOOST_AUTO_TEST_CASE(authorities_of_the_system_are_known_to_newer_libraries)
{
    auto const of_system = [&](std::string const& mode) {
        return at.as("postgres", "host=localhost hostaddr=127.0.0.1 sslrootcert=system sslmode=" + mode);
    };
    if (PQlibVersion() < 160'000) {
        // It takes the word for a file's name.
        auto const refused = fails({of_system("verify-full"), errc::tls_failed, "", "sslrootcert"}, "before libpq 16");
        BOOST_TEST(mentions(refused.what(), "system"));
        return;
    }
    fails({of_system("verify-full"), errc::tls_failed, "", "sslrootcert"}, "unknown to the system");
    fails({of_system("require"), errc::bad_config, "", "verify-full"}, "a mode that does not verify");
    ::setenv("SSL_CERT_FILE", at.ours.file().c_str(), 1);
    succeeds(of_system("verify-full"), "known to the system");
    ::unsetenv("SSL_CERT_FILE");
}

BOOST_AUTO_TEST_CASE(certificate_of_a_client_is_its_login)
{
    certificate_request of_client;
    of_client.subject = "certain";
    auto const client = at.ours.issue("client", of_client);
    succeeds(with(client), "its certificate");
    fails({with(at.theirs.issue("client", of_client)), errc::tls_failed, "", "ssl_ca_file"}, "another authority");
    of_client.expired = true;
    fails({with(at.ours.issue("late", of_client)), errc::tls_failed, "", "sslcert"}, "expired");
    of_client.expired = false;
    of_client.subject = "somebody";
    fails({with(at.ours.issue("other", of_client)), errc::login_failed, "28000", "pg_hba.conf"}, "of another role");
    fails({at.verified_as("certain"), errc::login_failed, "28000", "pg_hba.conf"}, "none");

    key_pair mixed{client.certificate, at.usual.key};
    fails({with(mixed), errc::tls_failed, "", "sslkey"}, "the key of another");
    auto open = client;
    open.key += ".open";
    std::filesystem::copy_file(client.key, open.key);
    std::filesystem::permissions(open.key, std::filesystem::perms{0644});
    fails({with(open), errc::tls_failed, "", "0600"}, "a key for everybody");
}

BOOST_AUTO_TEST_CASE(encrypted_key_is_opened_by_its_pass_phrase_and_nobody_is_asked_for_it)
{
    certificate_request locked;
    locked.subject = "certain";
    locked.passphrase = "secret-sesame";
    auto const client = at.ours.issue("locked", locked);
    succeeds(with(client, "sslpassword=secret-sesame"), "its pass phrase");
    fails({with(client, "sslpassword=wrong-sesame"), errc::tls_failed, "", "sslpassword"}, "another pass phrase");
    // OpenSSL would ask on the terminal or at the standard input, and say that this was no use.
    auto const missing = fails({with(client), errc::tls_failed, "", "sslpassword"}, "no pass phrase");
    BOOST_TEST(!mentions(missing.what(), "processing error"));

    auto const services = client.key + ".services";
    std::ofstream(services) << "[locked]\nsslpassword=secret-sesame\n";
    ::setenv("PGSERVICEFILE", services.c_str(), 1);
    succeeds(with(client, "service=locked"), "the service's pass phrase");
    ::unsetenv("PGSERVICEFILE");
}

BOOST_AUTO_TEST_CASE(channel_is_bound_or_the_connection_fails)
{
    auto const bound = [&](std::string const& role, std::string const& mode) {
        return at.as(role, "password=open-sesame channel_binding=require sslmode=" + mode);
    };
    succeeds(bound("clerk", "require"), "scram-sha-256 over TLS");
    auto const remedy = "scram-sha-256";
    fails({bound("clerk", "disable"), errc::tls_failed, "", remedy}, "without TLS");
    fails({bound("old", "require"), errc::tls_failed, "", remedy}, "md5");
    fails({bound("postgres", "require"), errc::tls_failed, "", remedy}, "trust");
}

BOOST_AUTO_TEST_CASE(versions_of_the_protocol_overlap_or_the_connection_fails)
{
    auto const versions = [&](std::string const& words) { return at.as("postgres", "sslmode=require " + words); };
    succeeds(versions("ssl_min_protocol_version=TLSv1.3"), "the newest");
    succeeds(versions("ssl_max_protocol_version=TLSv1.2"), "an older one");
    fails({versions("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2"), errc::bad_config, "",
           "correct this value"},
          "none at all");
    fails({versions("ssl_min_protocol_version=TLSv7"), errc::bad_config, "", "correct this value"}, "no such version");
    at.server.sql("alter system set ssl_max_protocol_version = 'TLSv1.2'");
    serve_tls(at.server, at.ours.issue("old"));
    fails({versions("ssl_min_protocol_version=TLSv1.3"), errc::tls_failed, "", "ssl_min_protocol_version"},
          "the server's are older");
    at.server.sql("alter system reset ssl_max_protocol_version");
    at.server.sql("alter system set ssl_min_protocol_version = 'TLSv1.3'");
    serve_tls(at.server, at.usual);
    fails({versions("ssl_max_protocol_version=TLSv1.2"), errc::tls_failed, "", "ssl_min_protocol_version"},
          "the server's are newer");
    at.server.sql("alter system reset ssl_min_protocol_version");
    serve_tls(at.server, at.ours.issue("again"));
    serve_tls(at.server, at.usual);
}

BOOST_AUTO_TEST_CASE(direct_tls_needs_a_library_and_a_server_that_know_it)
{
    constexpr int first = 170'000;
    auto const direct = at.as("postgres", "sslnegotiation=direct sslmode=");
    if (PQlibVersion() < first) {
        auto const refused = fails({direct + "require", errc::bad_config, "", "connection string"}, "before libpq 17");
        BOOST_TEST(mentions(refused.what(), "sslnegotiation needs libpq 17, and this is libpq"));
        auto const by_uri =
            fails({"postgresql://ann:sesame@127.0.0.1/?sslnegotiation=direct", errc::bad_config, "", ""},
                  "the same in a URI");
        BOOST_TEST(mentions(by_uri.what(), "needs libpq 17"));
        return;
    }
    fails({direct + "prefer", errc::bad_config, "", "sslmode=require"}, "a mode that may fall back");
    if (std::stoi(at.server.sql("show server_version_num")) >= first) succeeds(direct + "require", "both know it");
    else fails({direct + "require", errc::connect_failed, "", ""}, "the server takes it for no message");
}

BOOST_AUTO_TEST_SUITE_END()
