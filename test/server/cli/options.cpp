#include <pgtally/server/base/reload.hpp>
#include <pgtally/server/cli/options.hpp>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <unistd.h>

BOOST_AUTO_TEST_SUITE(test_options)

using namespace pgtally::server;
using namespace std::chrono_literals;

namespace {

command parse(std::vector<std::string> const& arguments, std::map<std::string, std::string> const& variables = {})
{
    return parse_command_line(arguments, [&](std::string const& name) -> std::optional<std::string> {
        auto const at = variables.find(name);
        if (at == variables.end()) return std::nullopt;
        return at->second;
    });
}

serve_options serve(std::vector<std::string> arguments, std::map<std::string, std::string> const& variables = {})
{
    arguments.insert(arguments.begin(), "serve");
    auto const parsed = parse(arguments, variables);
    if (auto const* const wrong = std::get_if<wrong_usage>(&parsed)) BOOST_FAIL(wrong->message);
    return std::get<serve_options>(parsed);
}

}  // namespace

BOOST_AUTO_TEST_CASE(serve_defaults)
{
    auto const o = serve({});
    BOOST_TEST(o.dsn.empty());
    BOOST_TEST_REQUIRE(o.listen.size() == 1U);
    BOOST_TEST(to_string(o.listen[0]) == "127.0.0.1:8080");
    BOOST_TEST_REQUIRE(o.admin_listen.has_value());
    BOOST_TEST(to_string(*o.admin_listen) == "127.0.0.1:8081");
    BOOST_TEST((o.heartbeat == 5s));
    BOOST_TEST(o.tallies.empty());
    BOOST_TEST(!o.writable);
    BOOST_TEST(!o.allow_bypass);
    BOOST_TEST(o.bounds.max_clients == 10'000U);
    BOOST_TEST((o.drain_delay == 0s));
    BOOST_TEST(o.wal_lag_limit == 1U << 30);
    BOOST_TEST(o.bounds.action_batch == 64U);
}

BOOST_AUTO_TEST_CASE(serve_everything)
{
    auto const o = serve({"--listen",
                          "[::1]:8080",
                          "--listen=0.0.0.0:0",
                          "--admin-listen",
                          "none",
                          "--tally",
                          "a",
                          "--tally",
                          "b",
                          "--heartbeat",
                          "250ms",
                          "--writable",
                          "--allow-bypass",
                          "--allow-origin",
                          "HTTPS://A.example:443",
                          "--allow-origin",
                          "*",
                          "--allow-origin",
                          "https://*.B.example",
                          "--allow-header",
                          "traceparent",
                          "--allow-header",
                          "X-Request-Id",
                          "--allow-host",
                          "Counters.Example.",
                          "--max-clients",
                          "7",
                          "--wal-lag-limit",
                          "5MiB",
                          "--action-batch",
                          "7",
                          "--max-keys",
                          "9",
                          "--drain-delay",
                          "2m",
                          "--web",
                          "w",
                          "--log-level",
                          "debug",
                          "--log-format",
                          "json",
                          "--dsn",
                          "d"});
    BOOST_TEST(to_string(o.listen.at(0)) == "[::1]:8080");
    BOOST_TEST(o.listen.at(1).port == 0);
    BOOST_TEST(!o.admin_listen.has_value());
    BOOST_TEST((o.tallies == std::vector<std::string>{"a", "b"}));
    BOOST_TEST((o.heartbeat == 250ms));
    BOOST_TEST(o.writable);
    BOOST_TEST(o.allow_bypass);
    BOOST_TEST((o.allow_host == std::vector<std::string>{"counters.example"}));
    BOOST_TEST((o.allow_origin == std::vector<std::string>{"https://a.example", "*", "https://*.b.example"}));
    BOOST_TEST((o.allow_header == std::vector<std::string>{"traceparent", "X-Request-Id"}));
    BOOST_TEST(o.bounds.max_clients == 7U);
    BOOST_TEST(o.max_keys == 9U);
    BOOST_TEST(o.wal_lag_limit == 5U << 20);
    BOOST_TEST(o.bounds.action_batch == 7U);
    BOOST_TEST((o.drain_delay == 2min));
    BOOST_TEST(o.web == "w");
    BOOST_TEST((o.level == log_level::debug));
    BOOST_TEST((o.format == log_format::json));
    BOOST_TEST(o.dsn == "d");
}

BOOST_AUTO_TEST_CASE(environment_is_second_to_the_command_line)
{
    auto const o = serve({"--heartbeat", "1s"}, {{"PGTALLY_HEARTBEAT", "9s"},
                                                 {"PGTALLY_TALLY", " a, b ,,c"},
                                                 {"PGTALLY_WRITABLE", "on"},
                                                 {"PGTALLY_ALLOW_BYPASS", "0"},
                                                 {"PGTALLY_DRAIN_DELAY", ""}});
    BOOST_TEST((o.heartbeat == 1s));
    BOOST_TEST((o.tallies == std::vector<std::string>{"a", "b", "c"}));
    BOOST_TEST(o.writable);
    BOOST_TEST(!o.allow_bypass);
    BOOST_TEST((o.drain_delay == 0s));
}

BOOST_AUTO_TEST_CASE(dsn_by_rank)
{
    std::map<std::string, std::string> const both{{"PGTALLY_DSN", "second"}, {"DATABASE_URL", "third"}};
    BOOST_TEST(serve({"--dsn", "first"}, both).dsn == "first");
    BOOST_TEST(serve({}, both).dsn == "second");
    BOOST_TEST(serve({}, {{"DATABASE_URL", "third"}}).dsn == "third");
    BOOST_TEST(serve({}).dsn == "");
}

BOOST_AUTO_TEST_CASE(wrong_usage_names_the_option)
{
    using arguments = std::vector<std::string>;
    std::pair<arguments, std::string> const rows[] = {
        {{}, "usage"},
        {{"nope"}, "nope"},
        {{"serve", "--nope"}, "--nope"},
        {{"serve", "stray"}, "stray"},
        {{"serve", "--listen", "8080"}, "--listen"},
        {{"serve", "--listen", "::1:80"}, "--listen"},
        {{"serve", "--heartbeat", "5"}, "--heartbeat"},
        {{"serve", "--heartbeat", "1ms"}, "--heartbeat"},
        {{"serve", "--max-clients-per-address", "x"}, "--max-clients-per-address"},
        {{"serve", "--trusted-proxy", "10.0.0.1/8"}, "--trusted-proxy"},
        {{"serve", "--keep-alive", "500ms"}, "at least 1000ms, at most 3600000ms"},
        {{"serve", "--ping-every", "2h"}, "--ping-every"},
        {{"serve", "--max-clients", "-1"}, "--max-clients"},
        {{"serve", "--max-keys", "1e9"}, "--max-keys"},
        {{"serve", "--wal-lag-limit", "1GB"}, "--wal-lag-limit"},
        {{"serve", "--wal-lag-limit", "1048575"}, "--wal-lag-limit"},
        {{"serve", "--action-batch", "0"}, "--action-batch"},
        {{"serve", "--action-batch", "257"}, "--action-batch"},
        {{"serve", "--allow-origin", "https://a.example/x"}, "--allow-origin"},
        {{"serve", "--allow-origin", "https://*"}, "--allow-origin"},
        {{"serve", "--allow-header", "a: b"}, "--allow-header"},
        {{"serve", "--allow-header", ""}, "--allow-header"},
        {{"serve", "--allow-host", "https://a.example"}, "--allow-host"},
        {{"serve", "--allow-host", "a.example:80"}, "--allow-host"},
        {{"serve", "--log-level", "loud"}, "--log-level"},
        {{"serve", "--hear", "5s"}, "--hear"},
        {{"uninstall", "--print"}, "--print"},
    };
    for (auto const& [given, named] : rows) {
        BOOST_TEST_CONTEXT(named)
        {
            auto const parsed = parse(given);
            auto const* const wrong = std::get_if<wrong_usage>(&parsed);
            BOOST_TEST_REQUIRE((wrong != nullptr));
            BOOST_TEST(wrong->message.find(named) != std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(no_error_shows_a_password)
{
    std::string const uri = "postgresql://u:hunter2@h/db";
    using arguments = std::vector<std::string>;
    std::pair<arguments, std::string> const rows[] = {
        {{uri}, "command"},
        {{"check", uri}, "number 1"},
        {{"serve", "--dsn", uri, uri}, "number 3"},
        {{"serve", "--dsn", uri, "extra"}, "extra"},
        {{"serve", "--writable", "--", uri}, "number 3"},
        {{"serve", "host=h password=hunter2"}, "number 1"},
        {{"serve", "--dns=" + uri}, "--dns"},
        {{"serve", "--writable=" + uri}, "--writable"},
        {{"serve", "-d" + uri}, "-d"},
        {{"serve", "--" + uri}, "option"},
        {{"serve", "--heartbeat", uri}, "--heartbeat"},
        {{"serve", "--listen", "u:hunter2@h:1"}, "--listen"},
        {{"serve", "--max-keys", "password hunter2"}, "--max-keys"},
        {{"serve", "--allow-origin", uri}, "--allow-origin"},
        {{"serve", "--log-level", uri}, "--log-level"},
        {{"serve", "--log-format", uri}, "--log-format"},
        {{"serve", "--tally", uri}, "--tally"},
        {{"serve", "--web", uri}, "--web"},
        {{"install", "--grant", uri}, "--grant"},
    };
    for (auto const& [given, named] : rows) {
        BOOST_TEST_CONTEXT(given.back())
        {
            auto const parsed = parse(given);
            auto const* const wrong = std::get_if<wrong_usage>(&parsed);
            BOOST_TEST_REQUIRE((wrong != nullptr));
            BOOST_TEST(wrong->message.find("hunter2") == std::string::npos);
            BOOST_TEST(wrong->message.find(named) != std::string::npos);
        }
    }
    auto const parsed = parse({"serve"}, {{"PGTALLY_HEARTBEAT", uri}});
    BOOST_TEST(std::get<wrong_usage>(parsed).message.find("hunter2") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(help_and_version_everywhere)
{
    for (std::string const name : {"serve", "install", "uninstall", "check", "audit"}) {
        BOOST_TEST(std::get<print_text>(parse({name, "--help"})).text.find(name) != std::string::npos);
        BOOST_TEST(std::get<print_text>(parse({name, "--nope", "--version"})).text.starts_with("pgtally "));
    }
    BOOST_TEST(std::get<print_text>(parse({"--help"})).text.find("serve") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(audits)
{
    BOOST_TEST(!serve({}).audit_every);
    BOOST_TEST(!serve({"--audit-every", "off"}).audit_every);
    BOOST_TEST((serve({"--audit-every", "1h"}).audit_every == 1h));
    BOOST_TEST((serve({}, {{"PGTALLY_AUDIT_EVERY", "2m"}}).audit_every == 2min));
    auto const parsed = parse({"audit", "--tally", "a", "--tally", "b", "--for", "2s", "--json"});
    auto const& here = std::get<audit_options>(parsed);
    BOOST_TEST((here.tallies == std::vector<std::string>{"a", "b"}));
    BOOST_TEST((here.follow == 2s));
    BOOST_TEST(here.json);
    BOOST_TEST(!here.server);
    BOOST_TEST((std::get<audit_options>(parse({"audit"})).follow == 10s));
    auto const there = parse({"audit"}, {{"PGTALLY_URL", "http://127.0.0.1:8081"}});
    BOOST_TEST((std::get<audit_options>(there).server->url.where == endpoint{"127.0.0.1", 8081}));
    for (std::vector<std::string> const& bad : {std::vector<std::string>{"serve", "--audit-every", "999ms"},
                                                {"serve", "--audit-every", "never"},
                                                {"audit", "--for", "x"},
                                                {"audit", "--tally", "A"},
                                                {"audit", "--url", "ftp://x"},
                                                {"audit", "--url", "http://me:geheim@x"},
                                                {"audit", "--url", "http://x", "--for", "1s"}}) {
        auto const wrong = parse(bad);
        BOOST_TEST_REQUIRE(std::holds_alternative<wrong_usage>(wrong), bad.back());
        BOOST_TEST((std::get<wrong_usage>(wrong).message.find("geheim") == std::string::npos));
    }
}

BOOST_AUTO_TEST_CASE(how_a_server_is_reached)
{
    auto const plain = std::get<get_options>(parse({"get", "t", "1"})).server;
    BOOST_TEST((plain.url.where == endpoint{"127.0.0.1", 8080}));
    BOOST_TEST((plain.token.file + plain.token.text + plain.ca_file == ""));
    auto const given =
        std::get<watch_options>(parse({"watch", "t", "--url", "https://x", "--token-file", "a", "--ca-file", "b"},
                                      {{"PGTALLY_TOKEN", "c"}}))
            .server;
    BOOST_TEST((given.url.how == server_url::scheme::https));
    BOOST_TEST((given.token.file + given.token.text + given.ca_file == "acb"));
    auto const there = parse({"audit", "--url", "unix:/run/x"});
    BOOST_TEST(std::get<audit_options>(there).server->url.path == "/run/x");
}

BOOST_AUTO_TEST_CASE(install_and_check)
{
    auto const i =
        std::get<install_options>(parse({"install", "--print", "--grant", "a", "--grant", "b", "--grant-create", "c"}));
    BOOST_TEST(i.print);
    BOOST_TEST((i.grant == std::vector<std::string>{"a", "b"}));
    BOOST_TEST((i.grant_create == std::vector<std::string>{"c"}));
    BOOST_TEST(std::get<check_options>(parse({"check", "--json"})).json);
}

BOOST_AUTO_TEST_CASE(tokens)
{
    auto const file = std::filesystem::temp_directory_path() / ("pgtally_options_" + std::to_string(::getpid()));
    std::ofstream{file} << "0123456789abcdef0123456789abcdef";
    auto const name = file.string();
    auto const o =
        serve({"--auth-key", name, "--auth-key", name, "--auth-cookie", "session", "--public", "a", "--public", "*"},
              {{"PGTALLY_AUTH_AUDIENCE", "ours"}, {"PGTALLY_AUTH_ISSUER", "us"}});
    BOOST_TEST((o.auth.key_files == std::vector<std::string>{name, name}));
    BOOST_TEST(o.auth.cookie == "session");
    BOOST_TEST(o.auth.audience == "ours");
    BOOST_TEST(o.auth.issuer == "us");
    BOOST_TEST((o.auth.public_tallies == std::vector<std::string>{"a", "*"}));
    BOOST_TEST((serve({}, {{"PGTALLY_AUTH_KEY", name + "," + name}}).auth.key_files.size() == 2U));
    std::filesystem::remove(file);
    BOOST_TEST(serve({}).auth.key_files.empty());

    auto const wrong = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "serve");
        auto const parsed = parse(arguments);
        auto const* const message = std::get_if<wrong_usage>(&parsed);
        return message == nullptr ? std::string{"taken"} : message->message.substr(0, message->message.find('\n'));
    };
    BOOST_TEST(wrong({"--auth-key", name}) ==
               "pgtally serve: --auth-key: '" + name + "' is not a file of keys: No such file or directory");
    // Somebody may have given the secret itself.
    BOOST_TEST(wrong({"--auth-key", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="}) ==
               "pgtally serve: --auth-key: the given value is not a file of keys: No such file or directory");
    BOOST_TEST(wrong({"--auth-cookie", "a b"}) ==
               "pgtally serve: --auth-cookie: 'a b' is not valid; allowed is the name of a cookie, like session");
    BOOST_TEST(wrong({"--public", "A"}) ==
               "pgtally serve: --public: 'A' is not valid; allowed is a tally's name, or *");
    for (std::string const option : {"auth-cookie", "auth-audience", "auth-issuer", "public"})
        BOOST_TEST(wrong({"--" + option, "a"}) ==
                   "pgtally serve: --" + option + ": needs --auth-key; without keys everybody reads everything");
}

// Each option of `serve` either changes by SIGHUP, or is named as one that needs a restart.
BOOST_AUTO_TEST_CASE(every_option_is_judged_when_options_are_read_again)
{
    std::map<std::string, std::vector<std::string>> const others{
        {"dsn", {"host=elsewhere"}}, {"listen", {"127.0.0.1:1"}},
        {"admin-listen", {"none"}},  {"tally", {"tweets"}},
        {"heartbeat", {"1s"}},       {"materialize-every", {"1s"}},
        {"audit-every", {"1h"}},     {"allow-origin", {"*"}},
        {"allow-header", {"x-a"}},   {"allow-host", {"example.org"}},
        {"max-clients", {"7"}},      {"max-clients-per-address", {"7"}},
        {"trusted-proxy", {"unix"}}, {"keep-alive", {"7s"}},
        {"ping-every", {"7s"}},      {"max-keys", {"7"}},
        {"wal-lag-limit", {"7MiB"}}, {"action-batch", {"7"}},
        {"drain-delay", {"7s"}},     {"web", {"/"}},
        {"log-level", {"debug"}},    {"log-format", {"json"}},
        {"access-log", {"-"}},       {"writable", {}},
        {"allow-bypass", {}},        {"reuse-port", {}}};
    // Files that the options name must exist: their own tests change them.
    std::set<std::string> const elsewhere{"config",        "check-config", "help",     "version",
                                          "tls-cert",      "tls-key",      "auth-key", "auth-cookie",
                                          "auth-audience", "auth-issuer",  "public"};
    auto const help = std::get<print_text>(parse({"serve", "--help"})).text;
    int seen = 0;
    for (std::size_t at = help.find("\n  --"); at != help.npos; at = help.find("\n  --", at + 1)) {
        auto const name = help.substr(at + 5, help.find(' ', at + 5) - at - 5);
        if (elsewhere.contains(name)) continue;
        BOOST_TEST_CONTEXT(name)
        {
            BOOST_TEST_REQUIRE(others.contains(name));
            std::vector<std::string> arguments{"--" + name};
            arguments.insert(arguments.end(), others.at(name).begin(), others.at(name).end());
            auto now = serve({});
            auto const fresh = serve(arguments);
            auto judged = unchanged_until_restart(now, fresh);
            auto const taken = take_changes(now, fresh);
            judged.insert(judged.end(), taken.begin(), taken.end());
            BOOST_TEST(judged == std::vector<std::string_view>{name}, boost::test_tools::per_element());
            BOOST_TEST(take_changes(now, fresh).empty());
        }
        ++seen;
    }
    BOOST_TEST(seen == static_cast<int>(others.size()));
}

BOOST_AUTO_TEST_SUITE_END()
