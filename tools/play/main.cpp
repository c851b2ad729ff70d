// pgtally-play: lets the people of a play tweet their lines. For the demo, the tests and the benchmarks.

#include "load.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/program_options.hpp>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace {

namespace options = boost::program_options;
namespace play = pgtally::play;
namespace db = pgtally::db;

constexpr char const* usage = "usage: pgtally-play load FILE [--dsn DSN]\n";

constexpr char const* help = R"(
Reads a play in Jon Bosak's XML markup and sends every speech as a message of its speaker, in
order, in one transaction. The application's tables must be there (schema/tweet/1-schema.sql).

Speakers are users by name or nickname, whatever the case; who is none becomes one, and is named.
A speech of several speakers is sent by each. Stage directions are left out.

Loading twice does not double: a message is known by its user, its text, and the how-manieth of
that text by that user it is in the play.

The database: --dsn, else PGTALLY_DSN, else DATABASE_URL, else libpq's own environment (PGHOST, ...).

)";

struct request {
    std::string file;
    std::string dsn;
};

std::string dsn_from_environment()
{
    for (auto const* name : {"PGTALLY_DSN", "DATABASE_URL"})
        if (auto const* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

// Empty: help was asked for, and given. Throws options::error for a wrong usage.
std::optional<request> read_arguments(int argc, char const* const* argv)
{
    request asked;
    std::vector<std::string> words;
    options::options_description shown("Options");
    auto add = shown.add_options();
    add("dsn", options::value(&asked.dsn), "the database: keywords or a URI, as for psql");
    add("help", "show this");
    options::options_description all;
    all.add(shown).add_options()("word", options::value(&words));
    options::positional_options_description positions;
    positions.add("word", -1);

    options::variables_map given;
    options::store(options::command_line_parser(argc, argv).options(all).positional(positions).run(), given);
    options::notify(given);
    if (given.count("help") > 0) {
        std::cout << usage << help << shown;
        return std::nullopt;
    }
    if (words.empty()) throw options::error("what to do is missing");
    if (words[0] != "load") throw options::error("'" + words[0] + "' is nothing that it can do");
    if (words.size() != 2) throw options::error("load takes one file");
    asked.file = words[1];
    if (given.count("dsn") == 0) asked.dsn = dsn_from_environment();
    return asked;
}

std::string read_file(std::string const& path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::system_error(errno, std::generic_category(), path);
    return {std::istreambuf_iterator<char>(file), {}};
}

play::load_report load(request const& asked)
{
    auto speeches = play::parse(read_file(asked.file));
    db::config settings;
    settings.conninfo = asked.dsn;
    settings.application_name = "pgtally-play";

    boost::asio::io_context context{1};
    std::exception_ptr failed;
    play::load_report report;
    boost::asio::co_spawn(context, play::load(std::move(speeches), std::move(settings)),
                          [&](std::exception_ptr fault, play::load_report result) {
                              failed = fault;
                              report = std::move(result);
                          });
    context.run();
    if (failed) std::rethrow_exception(failed);
    return report;
}

void print(play::load_report const& report)
{
    for (auto const& name : report.new_users) std::cout << "new user: " << name << '\n';
    std::cout << report.spoken << " messages in the play, " << report.sent << " sent";
    if (report.sent < report.spoken) std::cout << ", " << report.spoken - report.sent << " were there";
    std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv)
{
    std::optional<request> asked;
    try {
        asked = read_arguments(argc, argv);
        if (!asked) return 0;
        print(load(*asked));
        return 0;
    } catch (options::error const& wrong) {
        std::cerr << "pgtally-play: " << wrong.what() << '\n' << usage;
        return 2;
    } catch (play::broken_file const& broken) {
        std::cerr << "pgtally-play: " << asked->file << ':' << broken.line() << ": " << broken.what() << '\n';
    } catch (db::error const& error) {
        std::cerr << "pgtally-play: " << error.what() << '\n';
        if (error.state().is("42P01") || error.state().is("3F000"))
            std::cerr << "pgtally-play: are the tables there? They come by schema/tweet/1-schema.sql\n";
    } catch (std::exception const& error) {
        std::cerr << "pgtally-play: " << error.what() << '\n';
    }
    return 1;
}
