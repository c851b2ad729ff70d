#include <pgtally/server/base/version.hpp>
#include <pgtally/server/cli/access_options.hpp>
#include <pgtally/server/cli/option_values.hpp>
#include <pgtally/server/cli/options.hpp>
#include <pgtally/server/cli/token_options.hpp>
#include <pgtally/server/http/host.hpp>
#include <pgtally/server/http/origin.hpp>
#include <pgtally/server/http/tls.hpp>

#include <algorithm>
#include <sstream>
#include <utility>

#include <unistd.h>

namespace pgtally::server {

namespace po = boost::program_options;

namespace {

using texts = std::vector<std::string>;

po::options_description common_options()
{
    po::options_description out{"Options"};
    out.add_options()("dsn", po::value<std::string>()->value_name("DSN"),
                      "the database, as keywords or URI; else PGTALLY_DSN, DATABASE_URL, libpq's own environment")(
        "help", "print this")("version", "print the version");
    return out;
}

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

po::options_description install_description()
{
    auto out = common_options();
    out.add_options()("print", "print the SQL instead of running it")(
        "grant", po::value<texts>()->composing()->value_name("ROLE"), "give this role what serving needs; repeatable")(
        "grant-create", po::value<texts>()->composing()->value_name("ROLE"),
        "let this role create tallies; repeatable");
    return out;
}

po::options_description check_description()
{
    auto out = common_options();
    out.add_options()("json", "print the findings as JSON");
    add_access_options(out,
                       "look at the server that runs at this admin address, such as http://127.0.0.1:8081; with a "
                       "database by --dsn, PGTALLY_DSN or DATABASE_URL at both, else at the server alone");
    return out;
}

po::options_description audit_description()
{
    auto out = common_options();
    // clang-format off
    out.add_options()
        ("tally", po::value<texts>()->composing()->value_name("NAME"), "audit this tally; repeatable; default all")
        ("for", po::value<std::string>()->value_name("TIME"), "how long to follow events between both loads; default 10s")
        ("json", "print the outcome as JSON");
    // clang-format on
    add_access_options(out,
                       "let the server at this admin address do it, such as http://127.0.0.1:8081; needs no database");
    return out;
}

po::options_description ask_description()
{
    po::options_description out{"Options"};
    add_access_options(out, "the server: http://, https:// or unix:/PATH; default http://127.0.0.1:8080");
    out.add_options()("json", "print JSON")("help", "print this")("version", "print the version");
    return out;
}

po::options_description top_description()
{
    auto out = ask_description();
    // clang-format off
    out.add_options()
        ("by", po::value<std::string>()->value_name("COUNTER"), "the counter that decides the order")
        ("limit", po::value<std::string>()->value_name("N"), "how many keys, 1 to 1000; default 10");
    // clang-format on
    return out;
}

std::string dsn_of(option_values const& values)
{
    auto out = values.text("dsn", "");
    return out.empty() ? values.variable("DATABASE_URL") : out;
}

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

texts tallies_of(option_values const& values)
{
    auto out = values.list("tally");
    for (auto const& name : out) {
        if (!is_tally_name(name)) values.refuse("tally", name, "a tally's name: a-z, 0-9 and _, at most 63");
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

command parse_install(option_values const& values)
{
    for (std::string const name : {"grant", "grant-create"}) {
        for (auto const& role : values.list(name)) {
            if (role.find("://") != std::string::npos) values.refuse(name, role, "a role's name");
        }
    }
    return install_options{.dsn = dsn_of(values),
                           .print = values.flag("print"),
                           .grant = values.list("grant"),
                           .grant_create = values.list("grant-create")};
}

command parse_uninstall(option_values const& values)
{
    return uninstall_options{.dsn = dsn_of(values)};
}

command parse_check(option_values const& values)
{
    check_options out;
    out.dsn = dsn_of(values);
    out.server = access_of(values, "");
    out.database = !out.server || !out.dsn.empty();
    out.json = values.flag("json");
    return out;
}

command parse_audit(option_values const& values)
{
    using namespace std::chrono_literals;
    audit_options out;
    out.dsn = dsn_of(values);
    out.tallies = tallies_of(values);
    out.follow = values.time("for", "10s", 0ms);
    out.json = values.flag("json");
    out.server = access_of(values, "");
    if (!out.server) return out;
    if (!values.text("for", "").empty()) {
        throw bad_option{"--for cannot be combined with --url: a server compares what it serves now"};
    }
    return out;
}

server_access server_of(option_values const& values)
{
    return access_of(values, "http://127.0.0.1:8080").value();
}

// The first word; the keys are the others.
std::string tally_of(option_values const& values)
{
    auto const words = values.words();
    if (words.empty()) throw bad_option{"the name of a tally is needed"};
    if (!is_tally_name(words.front())) {
        throw bad_option{shown(words.front()) + " is not a tally's name: a-z, 0-9 and _, at most 63"};
    }
    return words.front();
}

texts keys_of(option_values const& values)
{
    auto out = values.words();
    out.erase(out.begin());
    return out;
}

command parse_get(option_values const& values)
{
    get_options out{server_of(values), tally_of(values), keys_of(values), values.flag("json")};
    if (out.keys.empty()) throw bad_option{"a key is needed: pgtally get " + out.tally + " KEY..."};
    return out;
}

command parse_top(option_values const& values)
{
    top_options out{server_of(values), tally_of(values), values.text("by", ""), values.count("limit", 10, 1, 1000),
                    values.flag("json")};
    if (!keys_of(values).empty()) throw bad_option{"it takes one tally, and no key"};
    if (out.by.empty()) throw bad_option{"--by COUNTER is needed"};
    return out;
}

command parse_watch(option_values const& values)
{
    return watch_options{server_of(values), tally_of(values), keys_of(values), values.flag("json")};
}

struct command_description {
    std::string_view name, purpose;
    po::options_description (*options)();
    command (*parse)(option_values const&);
    std::string_view words{};  // what it takes beside options
};

constexpr std::string_view usage =
    "usage: pgtally COMMAND [OPTION]...\n\n"
    "  serve      serve the counters of the database's tallies\n"
    "  install    put the schema \"tally\" into the database, or upgrade it\n"
    "  uninstall  remove the schema and all its triggers\n"
    "  check      find what keeps counters from being exact or live\n"
    "  audit      compare counters that follow events with counters by SQL\n"
    "  get        print the counters of keys, from a server\n"
    "  top        print the keys with the highest counters, from a server\n"
    "  watch      show counters as they change, from a server\n\n"
    "pgtally COMMAND --help lists the options of a command. Each can be an environment variable, PGTALLY_<OPTION>.\n";

std::string version_text()
{
    return "pgtally " + std::string{version()} + "\ninstalls schema tally version " + std::to_string(schema_version()) +
           '\n';
}

std::string help_of(command_description const& which)
{
    std::ostringstream out;
    out << "usage: pgtally " << which.name << which.words << " [OPTION]...\n\n"
        << which.purpose << "\n\n"
        << which.options();
    return out.str();
}

bool asks(texts const& arguments, std::string_view option)
{
    for (auto const& argument : arguments) {
        if (argument == "--") return false;
        if (argument == option) return true;
    }
    return false;
}

}  // namespace

command parse_command_line(texts const& arguments, environment const& getenv)
{
    static command_description const commands[] = {
        {"serve", "Serves the counters of the database's tallies.", serve_description, parse_serve},
        {"install", "Puts the schema \"tally\" into the database, or upgrades it.", install_description, parse_install},
        {"uninstall", "Removes the schema \"tally\" and all its triggers.", common_options, parse_uninstall},
        {"check",
         "Finds what keeps counters from being exact or live, in a database, in a server that runs, or in both, and names\n"
         "the remedies. Exit status 0: notes at most; 1: a fault or a warning, or it could not look.",
         check_description, parse_check},
        {"audit",
         "Loads counters, follows the events for a while, and compares them with a second load. Exit status 0: no key\n"
         "differs; 1: some keys differ; 3: a tally could not be compared.",
         audit_description, parse_audit},
        {"get", "Asks a server for the counters of keys.", ask_description, parse_get, " TALLY KEY..."},
        {"top", "Asks a server for the keys with the highest counters.", top_description, parse_top,
         " TALLY --by COUNTER"},
        {"watch",
         "Shows the counters of these keys, or of all keys, as they change: on a terminal a table, elsewhere a line for\n"
         "each change. Ends by Ctrl-C.",
         ask_description, parse_watch, " TALLY [KEY]..."},
    };
    if (arguments.empty()) return wrong_usage{std::string{usage}};
    auto const& name = arguments.front();
    if (name == "--help" || name == "help") return print_text{std::string{usage}};
    if (name == "--version") return print_text{version_text()};

    for (auto const& candidate : commands) {
        if (candidate.name != name) continue;
        texts const rest{arguments.begin() + 1, arguments.end()};
        if (asks(rest, "--help")) return print_text{help_of(candidate)};
        if (asks(rest, "--version")) return print_text{version_text()};
        try {
            return candidate.parse(option_values{candidate.options(), rest, getenv, !candidate.words.empty()});
        } catch (bad_option const& e) {
            return wrong_usage{"pgtally " + name + ": " + e.what() + "\nTry pgtally " + name + " --help.\n"};
        }
    }
    return wrong_usage{"pgtally: " + shown(name) +
                       " is not a command; allowed is serve, install, uninstall, check, audit, get, top or watch\n\n" +
                       std::string{usage}};
}

}  // namespace pgtally::server
