#include <pgtally/server/base/version.hpp>
#include <pgtally/server/cli/access_options.hpp>
#include <pgtally/server/cli/common_options.hpp>
#include <pgtally/server/cli/option_values.hpp>
#include <pgtally/server/cli/options.hpp>
#include <pgtally/server/cli/serve_command.hpp>
#include <pgtally/server/cli/token_options.hpp>

#include <algorithm>
#include <sstream>
#include <utility>

namespace pgtally::server {

namespace po = boost::program_options;

namespace {

using texts = std::vector<std::string>;

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
