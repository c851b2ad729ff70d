#include <pgtally/db/detail/client_failure.hpp>

#include <algorithm>
#include <array>

namespace pgtally::db::detail {
namespace {

struct pattern {
    std::string_view words;
    errc code;
    std::string_view remedy;
};

constexpr std::string_view root_remedy =
    "name the file of the authority that signed the server's certificate by sslrootcert, and replace a certificate that "
    "has expired";
constexpr std::string_view key_remedy =
    "give this user readable files of the client's certificate and key by sslcert and sslkey, the key with mode 0600; "
    "of an encrypted key the pass phrase by sslpassword";
constexpr std::string_view version_remedy =
    "let ssl_min_protocol_version and ssl_max_protocol_version overlap on both sides";
constexpr std::string_view direct_remedy =
    "use sslnegotiation=postgres: direct TLS needs PostgreSQL 17, and nothing in between that does not know it";
constexpr std::string_view service_remedy =
    "define the service in the file that PGSERVICEFILE names, or in ~/.pg_service.conf";
constexpr std::string_view value_remedy = "correct this value in the connection string, the environment or the service";

// The words of libpq 14 to 18 and of OpenSSL 1.1 and 3. The first pattern that fits counts.
constexpr std::array<pattern, 30> patterns{{
    {"definition of service", errc::bad_config, service_remedy},
    {"service file", errc::bad_config, service_remedy},
    {" value: \"", errc::bad_config, value_remedy},
    {"invalid integer value", errc::bad_config, value_remedy},
    {"invalid port number", errc::bad_config, value_remedy},
    {"invalid SSL protocol version range", errc::bad_config, value_remedy},
    {"weak sslmode", errc::bad_config,
     "use sslmode=verify-full with sslrootcert=system, and at least sslmode=require with sslnegotiation=direct"},
    {"no password supplied", errc::login_failed, "give the role's password: by PGPASSWORD, a password file or the DSN"},
    {"authentication method requirement", errc::login_failed, "let require_auth allow what pg_hba.conf demands"},
    {"channel binding", errc::tls_failed, "use TLS and scram-sha-256, or channel_binding=prefer"},
    {"root certificate file", errc::tls_failed, root_remedy},
    {"certificate verify failed", errc::tls_failed, root_remedy},
    {"does not match host name", errc::tls_failed,
     "connect by a host name that the server's certificate names, or use sslmode=verify-ca"},
    {"server's host name from server certificate", errc::tls_failed, "give the server a certificate with its name"},
    {"host name must be specified for a verified", errc::tls_failed, "name the host, not its address"},
    {"private key file", errc::tls_failed, key_remedy},
    {"certificate file", errc::tls_failed, key_remedy},
    {"does not match private key", errc::tls_failed, key_remedy},
    {"server does not support SSL", errc::tls_failed, "switch TLS on in PostgreSQL (ssl = on), or use sslmode=prefer"},
    {"alert unknown ca", errc::tls_failed, "use a client's certificate that PostgreSQL's ssl_ca_file has signed"},
    {"alert certificate", errc::tls_failed, key_remedy},
    {"alert protocol version", errc::tls_failed, version_remedy},
    {"SSL error: unsupported protocol", errc::tls_failed, version_remedy},
    {"without a valid SSL certificate", errc::tls_failed,
     "let pg_hba.conf ask for a certificate, or use sslcertmode=allow"},
    {"ALPN", errc::tls_failed, direct_remedy},
    {"unencrypted data after SSL response", errc::tls_failed,
     "find what answers there: it sends more than PostgreSQL does, as somebody would who alters the connection"},
    {"invalid response to SSL negotiation", errc::connect_failed, "check host and port: PostgreSQL does not answer so"},
    {"session is read-only", errc::read_only, standby_remedy},
    {"server is in hot standby mode", errc::read_only, standby_remedy},
    {"Permission denied", errc::connect_failed, "let this user use the server's socket, or connect by TCP"},
}};

}  // namespace

client_failure_kind client_failure(std::string_view message) noexcept
{
    auto const fits = [&](pattern const& one) { return message.find(one.words) != std::string_view::npos; };
    auto const* const found = std::ranges::find_if(patterns, fits);
    if (found == patterns.end()) return {errc::connect_failed, {}};
    return {found->code, found->remedy};
}

}  // namespace pgtally::db::detail
