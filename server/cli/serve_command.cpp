#include <pgtally/server/cli/common_options.hpp>
#include <pgtally/server/cli/serve_command.hpp>
#include <pgtally/server/cli/token_options.hpp>
#include <pgtally/server/http/host.hpp>
#include <pgtally/server/http/origin.hpp>
#include <pgtally/server/http/tls.hpp>

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace pgtally::server {

namespace po = boost::program_options;

using texts = std::vector<std::string>;

po::options_description serve_description()
{
    auto out = common_options();
    auto const text = [](char const* name) { return po::value<std::string>()->value_name(name); };
    auto const list = [](char const* name) { return po::value<texts>()->composing()->value_name(name); };
    // clang-format off
    out.add_options()
        ("config", text("FILE"), "read options from this file, a line `option = value` each; those of the command line and of the environment are before it")
        ("check-config", "say whether the options are valid, and end")
        ("listen", list("ADDRESS"), "address to serve, HOST:PORT or unix:/path; repeatable; default 127.0.0.1:8080; port 0 takes a free one")
        ("admin-listen", text("ADDRESS"), "address to serve operators, or none; default 127.0.0.1:8081")
        ("reuse-port", "let other servers listen at the same addresses, and share their connections")
        ("tls-cert", text("FILE"), "encrypt the public TCP addresses with this certificate and those that follow it (PEM); read again on SIGHUP")
        ("tls-key", text("FILE"), "the certificate's private key (PEM)")
        ("tally", list("NAME"), "hold this tally; repeatable; default all")
        ("heartbeat", text("TIME"), "how often to prove that events arrive; default 5s")
        ("materialize-every", text("TIME"), "how often to write the tables of materialized tallies; default 10s")
        ("audit-every", text("TIME"), "how often to compare each tally with the truth, or off; default off")
        ("writable", "allow actions (POST)")
        ("allow-bypass", "allow ?source=database on public addresses")
        ("allow-origin", list("ORIGIN"), "allow pages of this origin, of all below a name by https://*.example.org, without an origin by null, or of any by *; repeatable")
        ("allow-header", list("NAME"), "let allowed pages send this header; repeatable")
        ("allow-host", list("NAME"), "answer requests for this host; repeatable; default at loopback addresses: localhost and IP addresses, elsewhere: all")
        ("auth-key", list("FILE"), "require tokens (JWT) that a key of this file signed: PEM public keys, a JWKS, or a secret of at least 32 bytes; repeatable; read again on SIGHUP")
        ("auth-cookie", text("NAME"), "take tokens from this cookie, too")
        ("auth-audience", text("TEXT"), "the aud that tokens must have")
        ("auth-issuer", text("TEXT"), "the iss that tokens must have")
        ("public", list("NAME"), "let everybody read this tally without a token, or all by *; repeatable")
        ("max-clients", text("N"), "connections at a time; default 10000")
        ("max-clients-per-address", text("N"), "connections of one address at a time, or 0 for no limit; default 0")
        ("trusted-proxy", list("NET"), "believe proxies of this network, such as 10.0.0.0/8 or ::1, or at a Unix socket by unix, who their clients are; repeatable; default none")
        ("keep-alive", text("TIME"), "how long a connection may wait for its next request; default 90s")
        ("ping-every", text("TIME"), "how often to ping a WebSocket that is silent; default 20s")
        ("max-keys", text("N"), "keys that a tally may hold; default 100000000")
        ("wal-lag-limit", text("SIZE"), "WAL that PostgreSQL may keep for this server, or 0 for no limit; default 1GiB")
        ("action-batch", text("N"), "actions that may share a transaction, 1 for none; default 64")
        ("drain-delay", text("TIME"), "between a SIGTERM and the end of service; default 0s")
        ("web", text("DIR"), "serve this folder's files beside the API")
        ("access-log", text("FILE"), "write a line for each request to this file, or to stdout by -; opened again on SIGHUP; default none")
        ("log-level", text("LEVEL"), "debug, info, warn, error or off; default info")
        ("log-format", text("FORMAT"), "text or json; default text");
    // clang-format on
    return out;
}

namespace {

log_level level_of(std::string const& text)
{
    if (text == "debug") return log_level::debug;
    if (text == "info") return log_level::info;
    if (text == "warn") return log_level::warn;
    if (text == "error") return log_level::error;
    if (text == "off") return log_level::off;
    throw bad_option{"--log-level: " + shown(text) + " is not valid; allowed is debug, info, warn, error or off"};
}

log_format format_of(std::string const& text)
{
    if (text == "text") return log_format::text;
    if (text == "json") return log_format::json;
    throw bad_option{"--log-format: " + shown(text) + " is not valid; allowed is text or json"};
}

texts origins_of(option_values const& values)
{
    texts out;
    for (auto const& value : values.list("allow-origin")) {
        auto const origin = canonical_origin_rule(value).value_or("");
        if (origin.empty()) {
            throw bad_option{"--allow-origin: " + shown(value) +
                             " is not valid; allowed is an origin like https://example.org or http://localhost:3000, "
                             "https://*.example.org, null, or *"};
        }
        out.push_back(origin);
    }
    return out;
}

texts headers_of(option_values const& values)
{
    auto out = values.list("allow-header");
    for (auto const& name : out) {
        if (!is_field_name(name)) values.refuse("allow-header", name, "the name of a header, like traceparent");
    }
    return out;
}

texts hosts_of(option_values const& values)
{
    texts out;
    for (auto const& value : values.list("allow-host")) {
        auto const host = canonical_host(value);
        if (!host) values.refuse("allow-host", value, "a name like counters.example.org, without scheme and port");
        out.push_back(*host);
    }
    return out;
}

std::vector<ip_network> proxies_of(option_values const& values)
{
    std::vector<ip_network> out;
    for (auto const& value : values.list("trusted-proxy")) {
        auto const network = parse_ip_network(value);
        if (!network) {
            values.refuse(
                "trusted-proxy", value,
                "an address like 192.0.2.1 or ::1, or a network like 10.0.0.0/8 or fd00::/8, with zeros after its bits, or unix");
        }
        out.push_back(*network);
    }
    return out;
}

// Sockets that are handed over replace the default addresses.
void read_addresses(option_values const& values, serve_options& out)
{
    auto const variable = [&values](std::string const& name) { return std::optional{values.variable(name)}; };
    out.sockets = handed_over_to(::getpid(), variable);
    auto const is_admin = [](handed_over const& each) { return each.name == "admin"; };
    auto const admins = std::ranges::count_if(out.sockets, is_admin);
    for (auto const& value : values.list("listen")) out.listen.push_back(values.address("listen", value));
    if (out.listen.empty() && std::cmp_equal(admins, out.sockets.size())) out.listen.push_back({"127.0.0.1", 8080});
    auto const admin = values.text("admin-listen", admins > 0 ? "none" : "127.0.0.1:8081");
    if (admin != "none") out.admin_listen = values.address("admin-listen", admin);
    out.reuse_port = values.flag("reuse-port");
}

tls_options tls_of(option_values const& values)
{
    tls_options out{values.text("tls-cert", ""), values.text("tls-key", "")};
    if (out.certificate.empty() != out.key.empty()) {
        auto const* const given = out.key.empty() ? "--tls-cert" : "--tls-key";
        throw bad_option{std::string{given} + ": --tls-cert and --tls-key are needed both"};
    }
    if (!out.wanted()) return out;
    try {
        tls_identity const read{out.certificate, out.key};
    } catch (bad_certificate const& e) {
        throw bad_option{e.what()};
    }
    return out;
}

}  // namespace

command parse_serve(option_values const& values)
{
    using namespace std::chrono_literals;
    serve_options out;
    out.dsn = dsn_of(values);
    read_addresses(values, out);
    out.tallies = tallies_of(values);
    out.heartbeat = values.time("heartbeat", "5s", 10ms);
    out.materialize_every = values.time("materialize-every", "10s", 10ms);
    if (values.text("audit-every", "off") != "off") out.audit_every = values.time("audit-every", "off", 1s);
    out.writable = values.flag("writable");
    out.allow_bypass = values.flag("allow-bypass");
    out.allow_origin = origins_of(values);
    out.allow_header = headers_of(values);
    out.allow_host = hosts_of(values);
    out.tls = tls_of(values);
    out.auth = tokens_of(values, out.bounds);
    out.bounds.max_clients = values.count("max-clients", out.bounds.max_clients, 1, 1'000'000);
    out.bounds.max_address_clients = values.count("max-clients-per-address", 0, 0, 1'000'000);
    out.trusted_proxies = proxies_of(values);
    out.bounds.keep_alive = values.time("keep-alive", "90s", 1s, 1h);
    out.bounds.ping_after = values.time("ping-every", "20s", 1s, 1h);
    out.max_keys = values.count("max-keys", 100'000'000, 1, 1'000'000'000);
    out.wal_lag_limit = values.bytes("wal-lag-limit", "1GiB", std::uint64_t{1} << 20);
    out.bounds.action_batch = values.count("action-batch", out.bounds.action_batch, 1, out.bounds.max_waiting_actions);
    out.drain_delay = values.time("drain-delay", "0s", 0ms);
    out.web = values.text("web", "");
    // A URI can hold a password, and errors about the folder quote its name.
    if (out.web.find("://") != std::string::npos) values.refuse("web", out.web, "a folder");
    out.access_log = values.text("access-log", "");
    out.level = level_of(values.text("log-level", "info"));
    out.format = format_of(values.text("log-format", "text"));
    if (values.flag("check-config")) return print_text{"pgtally serve: the options are valid\n"};
    return out;
}

}  // namespace pgtally::server
