#include "options.hpp"

#include "http_address.hpp"

#include <pgtally/server/base/duration.hpp>

#include <boost/program_options.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

namespace pgtally::lab {

namespace {

namespace po = boost::program_options;

constexpr char const* commands = "concurrency, isolation, reading, anomalies or all";

po::options_description shown_options()
{
    po::options_description shown("Options");
    auto const text = [](char const* name) { return po::value<std::string>()->value_name(name); };
    auto add = shown.add_options();
    add("dsn", text("DSN"), "the database: keywords or a URI, as for psql");
    add("json", "the tables as JSON");
    add("workers", text("N"), "concurrent workers, one connection each (100, or as many as the server has room for)");
    add("retweets", text("N"), "retweets of each worker, one after another (100)");
    add("message", text("ID"), "the message that is retweeted (3)");
    add("spread", text("N"), "the number of messages from that one on, used in turn (1)");
    add("strategy", po::value<std::vector<std::string>>()->value_name("NAME"), "run only this one; may be repeated");
    add("attempts", text("N"), "attempts per retweet (1000)");
    add("walk", "two sessions, step by step");
    add("writers", text("N"), "connections that retweet during the reads (4)");
    add("readers", text("N"), "readers, which read as often as they can (4)");
    add("seconds", text("N"), "the duration of each way to read, in seconds (5)");
    add("refresh", text("TIME"), "how often the materialized view is refreshed, as in 500ms, 10s, 1m (1s)");
    add("history", text("N"), "retweets of the message before the run (100000)");
    add("way", po::value<std::vector<std::string>>()->value_name("NAME"), "run only this one; may be repeated");
    add("program", text("FILE"), "the program pgtally that is started (the one beside pgtally-lab)");
    add("report", text("FILE"), "the file of the HTML page of all experiments; an existing file is replaced");
    add("url", text("URL"), "a running server of this database, as in http://127.0.0.1:8080");
    add("help", "show this");
    return shown;
}

// "--workers" for "--workers=5"; "an option" for other text.
std::string name_in(std::string const& token)
{
    auto const name = token.substr(0, token.find('='));
    bool const plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos;
    return plain && name.starts_with("--") ? name : "an option";
}

// The parser's errors quote the input, which may contain a password. So only the name of the option is used.
po::variables_map parse(std::vector<std::string> const& arguments, po::options_description const& shown)
{
    po::options_description all;
    all.add(shown).add_options()("command", po::value<std::string>());
    po::positional_options_description positions;
    positions.add("command", 1);
    auto const style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::variables_map given;
    try {
        po::store(po::command_line_parser(arguments).options(all).positional(positions).style(style).run(), given);
    } catch (po::unknown_option const& unknown) {
        auto const name = name_in(unknown.get_option_name());
        throw wrong_usage(name + " is not an option");
    } catch (po::too_many_positional_options_error const&) {
        throw wrong_usage("one command at a time");
    } catch (po::error_with_option_name const& wrong) {
        throw wrong_usage(name_in(wrong.get_option_name()) + " is given twice, or lacks its value, or takes none");
    } catch (po::error const&) {
        throw wrong_usage("the arguments cannot be read");
    }
    return given;
}

template <class Number>
Number read_number(po::variables_map const& given, char const* name, Number otherwise, Number least, Number most)
{
    if (given.count(name) == 0) return otherwise;
    auto const& text = given[name].as<std::string>();
    Number value{};
    auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
        throw wrong_usage("--" + std::string(name) + " takes a number from " + std::to_string(least) + " to " +
                          std::to_string(most));
    }
    return value;
}

load read_load(po::variables_map const& given)
{
    load work;
    work.default_workers = given.count("workers") == 0;
    work.workers = read_number(given, "workers", work.workers, std::size_t{1}, max_workers);
    work.retweets = read_number(given, "retweets", work.retweets, std::size_t{1}, max_retweets);
    work.message = read_number(given, "message", work.message, std::int64_t{1}, max_message);
    work.spread = read_number(given, "spread", work.spread, std::size_t{1}, max_spread);
    if (work.workers * work.retweets > max_retweets_in_all)
        throw wrong_usage("more than " + std::to_string(max_retweets_in_all) + " retweets in total are too many");
    return work;
}

void allow_only(po::variables_map const& given, std::string const& command, std::vector<std::string> const& allowed)
{
    for (auto const& [name, value] : given) {
        bool const everywhere = name == "dsn" || name == "json" || name == "command";
        if (!everywhere && std::find(allowed.begin(), allowed.end(), name) == allowed.end())
            throw wrong_usage("--" + name + " is not an option of " + command);
    }
}

// The known names that an option lists, in their own order; all of them if the option is not given.
std::vector<std::string> read_names(po::variables_map const& given, char const* option, std::vector<std::string> known)
{
    if (given.count(option) == 0) return known;
    auto const& asked = given[option].as<std::vector<std::string>>();
    std::string names;
    for (auto const& name : known) names += (names.empty() ? "" : ", ") + name;
    for (auto const& name : asked) {
        if (std::find(known.begin(), known.end(), name) == known.end())
            throw wrong_usage("--" + std::string(option) + " takes one of " + names);
    }
    std::erase_if(known, [&](auto const& name) { return std::find(asked.begin(), asked.end(), name) == asked.end(); });
    return known;
}

concurrency_options read_concurrency(po::variables_map const& given, std::vector<std::string> const& known)
{
    return {read_load(given), read_names(given, "strategy", known)};
}

isolation_options read_isolation(po::variables_map const& given)
{
    isolation_options chosen{read_load(given)};
    chosen.attempts = read_number(given, "attempts", chosen.attempts, std::size_t{1}, max_attempts);
    return chosen;
}

walk_options read_walk(po::variables_map const& given)
{
    return {read_load(given).message};
}

std::chrono::milliseconds read_refresh(po::variables_map const& given, std::chrono::milliseconds otherwise)
{
    if (given.count("refresh") == 0) return otherwise;
    auto const value = server::parse_duration(given["refresh"].as<std::string>());
    if (!value || *value < min_refresh || *value > max_refresh)
        throw wrong_usage("--refresh takes a time from 10ms to 1h, as in 500ms, 10s, 1m");
    return *value;
}

reading_options read_reading(po::variables_map const& given)
{
    reading_options chosen;
    chosen.writers = read_number(given, "writers", chosen.writers, std::size_t{1}, max_workers);
    chosen.readers = read_number(given, "readers", chosen.readers, std::size_t{1}, max_readers);
    chosen.seconds = std::chrono::seconds(read_number(given, "seconds", chosen.seconds.count(),
                                                      decltype(chosen.seconds.count()){1}, max_seconds.count()));
    chosen.refresh = read_refresh(given, chosen.refresh);
    chosen.history = read_number(given, "history", chosen.history, std::size_t{0}, max_history);
    chosen.message = read_load(given).message;
    chosen.ways = read_names(given, "way", way_names());
    if (given.count("program") > 0) chosen.program = given["program"].as<std::string>();
    if (given.count("url") > 0) chosen.url = given["url"].as<std::string>();
    if (!chosen.program.empty() && !chosen.url.empty())
        throw wrong_usage("--program starts a server, --url names one that runs: one of the two");
    if (given.count("url") > 0 && !read_http_address(chosen.url))
        throw wrong_usage("--url takes the address of a server, as in http://127.0.0.1:8080");
    return chosen;
}

anomalies_options read_anomalies(po::variables_map const& given)
{
    return {read_load(given).message};
}

using names = std::vector<std::string>;

// The options of each command.
names of_concurrency()
{
    return {"workers", "retweets", "message", "spread", "strategy"};
}
names of_isolation()
{
    return {"workers", "retweets", "message", "attempts"};
}
names of_walk()
{
    return {"walk", "message"};
}
names of_reading()
{
    return {"writers", "readers", "seconds", "refresh", "history", "message", "way", "program", "url"};
}
names of_anomalies()
{
    return {"message"};
}

all_options read_all(po::variables_map const& given, names const& strategies)
{
    names allowed{"report"};
    for (auto const& some : {of_concurrency(), of_isolation(), of_reading()})
        allowed.insert(allowed.end(), some.begin(), some.end());
    allow_only(given, "all", allowed);
    all_options chosen;
    chosen.experiments = {read_concurrency(given, strategies), read_isolation(given), read_walk(given),
                          read_reading(given), read_anomalies(given)};
    if (given.count("report") > 0) {
        chosen.report = given["report"].as<std::string>();
        if (chosen.report.empty()) throw wrong_usage("--report takes the name of a file");
    }
    return chosen;
}

// Reads a command, which accepts only its own options.
void read_command(po::variables_map const& given, names const& strategies, request& into)
{
    auto const& command = given["command"].as<std::string>();
    if (command == "concurrency") {
        allow_only(given, command, of_concurrency());
        into.what = read_concurrency(given, strategies);
    } else if (command == "isolation" && given.count("walk") > 0) {
        allow_only(given, "isolation --walk", of_walk());
        into.what = read_walk(given);
    } else if (command == "isolation") {
        allow_only(given, command, of_isolation());
        into.what = read_isolation(given);
    } else if (command == "reading") {
        allow_only(given, command, of_reading());
        into.what = read_reading(given);
    } else if (command == "anomalies") {
        allow_only(given, command, of_anomalies());
        into.what = read_anomalies(given);
    } else if (command == "all") {
        into.all = read_all(given, strategies);
    } else {
        throw wrong_usage("unknown command; the commands are " + std::string(commands));
    }
}

}  // namespace

std::vector<std::string> const& way_names()
{
    static std::vector<std::string> const all{"view", "materialized-view", "summary-table", "pgtally-http",
                                              "pgtally-embedded"};
    return all;
}

request read_request(std::vector<std::string> const& arguments, std::vector<std::string> const& strategies)
{
    auto const shown = shown_options();
    auto const given = parse(arguments, shown);
    request asked;
    if (given.count("help") > 0) {
        std::ostringstream text;
        text << usage << usage_help << shown << "\nStrategies:";
        for (auto const& name : strategies) text << ' ' << name;
        text << "\nWays to read:";
        for (auto const& name : way_names()) text << ' ' << name;
        text << '\n';
        asked.help = help_text{text.str()};
        return asked;
    }
    if (given.count("command") == 0) throw wrong_usage("a command is missing: " + std::string(commands));
    read_command(given, strategies, asked);
    asked.json = given.count("json") > 0;
    if (given.count("dsn") > 0) asked.dsn = given["dsn"].as<std::string>();
    return asked;
}

}  // namespace pgtally::lab
