// Plays random histories to the core of `cache/`, and compares the served counters with the model's truth.
//
//   pgtally_test_sim [--seed N] [--histories N] [--seconds S] [--break NAME] [--trace]
//
// History number i has the seed N + i. To repeat a failing one, pass its seed and --histories 1. Exit status 0: none
// failed; with --break: one failed, as it must. 1: otherwise. 2: wrong usage.

#include "shrink.hpp"
#include "world.hpp"

#include <boost/program_options.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <random>
#include <string>

namespace {

using namespace pgtally::sim;
namespace po = boost::program_options;
using clock = std::chrono::steady_clock;

struct options {
    std::uint64_t seed = 0, histories = 0;
    double seconds = 0;
    flaw broken = flaw::none;
    bool trace = false;
};

std::optional<options> read(int argc, char** argv)
{
    options out;
    std::string broken;
    po::options_description what{"pgtally_test_sim"};
    auto add = what.add_options();
    add("seed", po::value(&out.seed), "of the first history; a random one by default");
    add("histories", po::value(&out.histories), "how many at most; 0: until the time is over");
    add("seconds", po::value(&out.seconds), "how long at most; 0: as many histories as were asked for");
    add("break", po::value(&broken), "what is done wrong; see README.md");
    add("trace", po::bool_switch(&out.trace), "tell each history");
    add("help", "this");
    po::variables_map given;
    try {
        po::store(po::parse_command_line(argc, argv, what), given);
        po::notify(given);
    } catch (po::error const& e) {
        std::cerr << "pgtally_test_sim: " << e.what() << '\n';
        return std::nullopt;
    }
    auto const found = broken.empty() ? flaw::none : flaw_of(broken);
    if (given.count("help") != 0 || !found) {
        std::cerr << what;
        return std::nullopt;
    }
    out.broken = *found;
    if (given.count("seed") == 0) out.seed = std::random_device{}() % 1'000'000'000;
    if (out.histories == 0 && out.seconds == 0) out.seconds = 20;
    return out;
}

void tell(history const& failing, std::uint64_t played, options const& chosen)
{
    auto const brief = shrink(failing, chosen.broken);
    std::cout << "seed " << failing.seed << " fails, after " << played << " histories; " << failing.steps.size()
              << " steps, shortened to " << brief.steps.size() << ":\n";
    play(brief, chosen.broken, &std::cout);
}

}  // namespace

int main(int argc, char** argv)
{
    auto const chosen = read(argc, argv);
    if (!chosen) return 2;
    auto const begin = clock::now();
    auto const seconds = [&] { return std::chrono::duration<double>(clock::now() - begin).count(); };
    std::cout << "histories from seed " << chosen->seed << std::endl;
    std::uint64_t played = 0, steps = 0;
    while ((chosen->histories == 0 || played < chosen->histories) &&
           (chosen->seconds == 0 || seconds() < chosen->seconds)) {
        auto const each = make_history(chosen->seed + played);
        ++played;
        steps += each.steps.size();
        if (!play(each, chosen->broken, chosen->trace ? &std::cout : nullptr)) continue;
        tell(each, played, *chosen);
        return chosen->broken == flaw::none ? 1 : 0;
    }
    std::cout << played << " histories of " << steps << " steps in " << seconds() << " s: nothing found\n";
    return chosen->broken == flaw::none ? 0 : 1;
}
