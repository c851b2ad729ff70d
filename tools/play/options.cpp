#include "options.hpp"

#include <boost/program_options.hpp>

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace pgtally::play {

char const* const usage =
    "usage: pgtally-play load FILE [--dsn DSN]\n"
    "       pgtally-play perform [FILE] [--rate R] [--per-speech N] [--count N] [--encore] [--seed S] [--dsn DSN]\n";

namespace {

namespace options = boost::program_options;

constexpr char const* help = R"(
FILE is a play in Jon Bosak's XML markup; without FILE, perform uses its own.

load     posts every speech as a message of its speaker, in order, in one transaction.
perform  posts the speeches one by one, while an audience likes, retweets and takes back,
         until the play ends or Ctrl-C. Prints each speech when it is posted.

Speakers match users by name or nickname, ignoring case. An unknown speaker becomes a user
and is printed. A speech of several speakers is posted by each. Stage directions are omitted.
A message that exists is not posted again. It is identified by its user, its text, and the
number of that text among the equal texts of that user in the play.

The application's tables must exist (schema/tweet/1-schema.sql). The database: --dsn, else
PGTALLY_DSN, else DATABASE_URL, else libpq's own environment (PGHOST, ...).

)";

constexpr double rate_max = 100'000;
constexpr double rate_min = 0.001;
constexpr std::size_t per_speech_max = 1'000'000;

std::string dsn_from_environment()
{
    for (auto const* name : {"PGTALLY_DSN", "DATABASE_URL"})
        if (auto const* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

// Program_options would read "-1" as a large number.
std::uint64_t read_number(options::variables_map const& given, char const* name)
{
    auto const& text = given[name].as<std::string>();
    bool const digits = !text.empty() && text.size() <= 20 && text.find_first_not_of("0123456789") == std::string::npos;
    std::uint64_t number = 0;
    std::istringstream from(text);
    if (!digits || !(from >> number))
        throw options::error("--" + std::string(name) + " takes a number from 0, not '" + text + "'");
    return number;
}

void read_performance(options::variables_map const& given, request& asked)
{
    if (!(asked.rate >= rate_min && asked.rate <= rate_max)) throw options::error("--rate is from 0.001 to 100000");
    if (given.count("per-speech") > 0) {
        auto const number = read_number(given, "per-speech");
        if (number > per_speech_max) throw options::error("--per-speech is from 0 to 1000000");
        asked.per_speech = static_cast<std::size_t>(number);
    }
    if (given.count("seed") > 0) asked.seed = read_number(given, "seed");
    if (given.count("count") > 0) asked.count = read_number(given, "count");
    asked.encore = given.count("encore") > 0;
    if (asked.encore && asked.count) throw options::error("--encore is without end, --count has one: take either");
}

void read_words(std::vector<std::string> const& words, options::variables_map const& given, request& asked)
{
    if (words.empty()) throw options::error("a command is missing");
    if (words[0] == "load") {
        asked.what = command::load;
        if (words.size() != 2) throw options::error("load takes one file");
        for (auto const* name : {"rate", "per-speech", "count", "encore", "seed"})
            if (given.count(name) > 0) throw options::error("--" + std::string(name) + " is for perform");
    } else if (words[0] == "perform") {
        asked.what = command::perform;
        if (words.size() > 2) throw options::error("perform takes one file at most");
        read_performance(given, asked);
    } else {
        throw options::error("'" + words[0] + "' is not a command");
    }
    if (words.size() > 1) {
        if (words[1].empty()) throw options::error("the file has no name");
        asked.file = words[1];
    }
}

}  // namespace

request read_request(std::vector<std::string> const& arguments)
{
    request asked;
    std::vector<std::string> words;
    options::options_description shown("Options");
    auto add = shown.add_options();
    add("dsn", options::value(&asked.dsn)->value_name("DSN"), "the database: keywords or a URI, as for psql");
    add("rate", options::value(&asked.rate)->value_name("R"), "speeches and acts of the audience, per second (10)");
    add("per-speech", options::value<std::string>()->value_name("N"), "acts between two speeches (10)");
    add("count", options::value<std::string>()->value_name("N"), "ends after so many acts, wherever the play is");
    add("encore", "goes on after the last speech, until Ctrl-C");
    add("seed", options::value<std::string>()->value_name("S"), "repeats the run that had it (drawn, and printed)");
    add("help", "show this");
    options::options_description all;
    all.add(shown).add_options()("word", options::value(&words));
    options::positional_options_description positions;
    positions.add("word", -1);

    options::variables_map given;
    options::store(options::command_line_parser(arguments).options(all).positional(positions).run(), given);
    options::notify(given);
    if (given.count("help") > 0) {
        std::ostringstream text;
        text << usage << help << shown;
        asked.text = text.str();
        return asked;
    }
    read_words(words, given, asked);
    if (given.count("dsn") == 0) asked.dsn = dsn_from_environment();
    return asked;
}

}  // namespace pgtally::play
