// pgtally-play: posts the speeches of a play as messages, which an audience likes and retweets. For the demo, the
// tests and the lab.

#include "load.hpp"
#include "options.hpp"
#include "own_play.hpp"
#include "perform.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/program_options/errors.hpp>

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <vector>

namespace {

namespace play = pgtally::play;
namespace db = pgtally::db;
namespace asio = boost::asio;

std::string read_file(std::string const& path)
{
    // A folder can be opened but not read.
    if (std::filesystem::is_directory(path))
        throw std::system_error(std::make_error_code(std::errc::is_a_directory), path);
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::system_error(errno, std::generic_category(), path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<play::speech> read_play(play::request const& asked)
{
    return play::parse(asked.file.empty() ? std::string(play::own_play()) : read_file(asked.file));
}

db::config database_of(play::request const& asked)
{
    db::config settings;
    settings.conninfo = asked.dsn;
    settings.application_name = "pgtally-play";
    settings.log = [](db::level level, std::string_view line) {
        if (level >= db::level::warn) std::cerr << "pgtally-play: " << line << '\n';
    };
    return settings;
}

// A line on a terminal that is overwritten.
void show(std::string const& line)
{
    if (isatty(STDERR_FILENO) == 1) std::cerr << "\r\033[K" << line << std::flush;
}

void name_strangers(std::vector<std::string> const& strangers)
{
    for (auto const& name : strangers) std::cout << "new user: " << name << " (unknown speaker)\n";
}

int load(play::request const& asked)
{
    auto speeches = read_play(asked);
    auto const all = speeches.size();
    asio::io_context context{1};
    std::exception_ptr failed;
    play::load_report report;
    auto const progress = [all](std::size_t done, std::size_t bytes) {
        show("loading " + std::to_string(all) + " speeches: " + std::to_string(done * 100 / bytes) + " %");
    };
    asio::co_spawn(context, play::load(std::move(speeches), database_of(asked), progress),
                   [&](std::exception_ptr fault, play::load_report result) {
                       failed = fault;
                       report = std::move(result);
                   });
    context.run();
    show("");
    if (failed) std::rethrow_exception(failed);

    name_strangers(report.strangers);
    std::cout << report.speeches << " speeches, " << report.lines << " messages: " << report.sent << " sent";
    if (report.sent < report.lines) std::cout << ", " << report.lines - report.sent << " existed";
    std::cout << '\n';
    return 0;
}

play::performance_config settings_of(play::request const& asked)
{
    play::performance_config settings;
    settings.connection = database_of(asked);
    settings.rate = asked.rate;
    settings.per_speech = asked.per_speech;
    settings.seed = asked.seed ? *asked.seed : std::random_device()();
    settings.acts = asked.count.value_or(0);
    settings.end = asked.count ? play::until::acts : asked.encore ? play::until::stopped : play::until::play_ends;
    settings.on_speech = [](play::speech const& said) {
        for (auto const& who : said.speakers) std::cout << (&who == &said.speakers[0] ? "" : ", ") << who;
        std::cout << ": " << said.text.substr(0, said.text.find('\n')) << std::endl;
    };
    return settings;
}

void print(play::performance_report const& report, std::uint64_t seed)
{
    using play::action;
    auto const of = [&](action what) { return report.acts[static_cast<std::size_t>(what)]; };
    auto const acts = of(action::fav) + of(action::rt) + of(action::de_fav) + of(action::de_rt);
    auto const seconds = report.took.count();
    name_strangers(report.strangers);
    std::cout << report.speeches << " speeches, " << report.sent + report.there << " messages: " << report.sent
              << " sent";
    if (report.there > 0) std::cout << ", " << report.there << " existed";
    std::cout << '\n'
              << acts << " acts: " << of(action::fav) << " likes, " << of(action::rt) << " retweets, "
              << of(action::de_fav) << " likes and " << of(action::de_rt) << " retweets taken back\n";
    if (report.refused + report.unknown > 0)
        std::cout << report.refused << " acts refused, " << report.unknown
                  << " without an answer, the last: " << report.failure << '\n';
    std::cout << std::fixed << std::setprecision(1) << seconds << " seconds, "
              << (seconds > 0 ? static_cast<double>(acts) / seconds : 0.0) << " acts per second, seed " << seed
              << std::endl;
}

int perform(play::request const& asked)
{
    auto settings = settings_of(asked);
    auto const seed = settings.seed;
    asio::io_context context{1};
    play::performance performance(context.get_executor(), read_play(asked), std::move(settings));

    // The first signal ends it in an orderly way; the second one has its default effect.
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](boost::system::error_code cancelled, int) {
        if (cancelled) return;
        signals.clear();
        performance.stop();
    });
    std::exception_ptr failed;
    asio::co_spawn(context, performance.run(), [&](std::exception_ptr fault, play::performance_report const&) {
        failed = fault;
        signals.cancel();
    });
    context.run();
    if (!failed || performance.report().speeches > 0) print(performance.report(), seed);
    if (failed) std::rethrow_exception(failed);
    return 0;
}

int run(play::request const& asked)
{
    switch (asked.what) {
        case play::command::load: return load(asked);
        case play::command::perform: return perform(asked);
        case play::command::help: break;
    }
    std::cout << asked.text;
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets itself
    play::request asked;
    try {
        asked = play::read_request({argv + 1, argv + argc});
        return run(asked);
    } catch (boost::program_options::error const& wrong) {
        std::cerr << "pgtally-play: " << wrong.what() << '\n' << play::usage;
        return 2;
    } catch (play::broken_file const& broken) {
        std::cerr << "pgtally-play: " << asked.file << ':' << broken.line() << ": " << broken.what() << '\n';
    } catch (db::error const& error) {
        std::cerr << "pgtally-play: " << error.what() << '\n';
        if (error.state().is("42P01") || error.state().is("3F000"))
            std::cerr << "pgtally-play: the tables may be missing: schema/tweet/1-schema.sql creates them\n";
    } catch (std::exception const& error) {
        std::cerr << "pgtally-play: " << error.what() << '\n';
    }
    return 1;
}
