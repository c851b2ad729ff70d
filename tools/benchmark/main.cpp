// pgtally-bench: the part of tools/bench that uses the libraries. Prints numbers.

#include "contestants.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::bench {
namespace {

constexpr char const* usage =
    R"(usage: pgtally-bench lookup DSN CALLERS SECONDS    for each line of stdin: lookups/s, and per second of its own CPU time
       pgtally-bench listen DSN COUNT              notifications/s, and per second of its own CPU time
       pgtally-bench copy DSN QUERY FILE           rows copied to the file
       pgtally-bench feed CLIENTS CHANGES          for each line of stdin: changes and leaves per second of its own CPU time
       pgtally-bench rank nothing|ranking|top|hot-top KEYS CHANGES
                                                   for each line of stdin: changes per second of its own CPU time, keys
                                                   ranked per second of it, bytes of the ranking for each key
       pgtally-bench lag DSN TALLY TABLE SECONDS   commit p50, p99, lag p50, p99 in ms; how many
)";

seconds cpu_time()
{
    std::timespec at{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return std::chrono::seconds{at.tv_sec} + std::chrono::nanoseconds{at.tv_nsec};
}

void print(double first, double second)
{
    std::printf("%.1f %.1f\n", first, second);
    std::fflush(stdout);
}

void print(figures const& of)
{
    print(of.per_second, of.per_cpu_second);
}

bool is_asked()
{
    std::string line;
    return static_cast<bool>(std::getline(std::cin, line));
}

std::optional<ranked> ranked_of(std::string_view name)
{
    if (name == "nothing") return ranked::nothing;
    if (name == "ranking") return ranked::ranking;
    if (name == "top") return ranked::top;
    if (name == "hot-top") return ranked::hot_top;
    return std::nullopt;
}

int run(int argc, char const* const* argv)
{
    auto const what = argc > 1 ? std::string_view(argv[1]) : std::string_view();
    db::config settings;
    if (argc > 2) settings.conninfo = argv[2];
    if (what == "lookup" && argc == 5) {
        lookups(settings, std::stoul(argv[3]), seconds(std::stod(argv[4])), is_asked,
                [](figures const& of) { print(of); });
    } else if (what == "listen" && argc == 4) {
        print(notifications(settings, std::stoul(argv[3])));
    } else if (what == "feed" && argc == 4) {
        while (is_asked()) {
            auto const of = feed(std::stoul(argv[2]), std::stoul(argv[3]));
            print(of.changes_per_cpu_second, of.leaves_per_cpu_second);
        }
    } else if (what == "rank" && argc == 5 && ranked_of(argv[2])) {
        ranks(*ranked_of(argv[2]), std::stoul(argv[3]), std::stoul(argv[4]), is_asked, [](rank_figures const& of) {
            std::printf("%.1f %.1f %.1f\n", of.changes_per_cpu_second, of.ranked_per_cpu_second, of.bytes_per_key);
            std::fflush(stdout);
        });
    } else if (what == "lag" && argc == 6) {
        auto const of = lag(settings, argv[3], argv[4], seconds(std::stod(argv[5])));
        std::printf("%.3f %.3f %.3f %.3f %zu\n", of.commit_p50 * 1e3, of.commit_p99 * 1e3, of.lag_p50 * 1e3,
                    of.lag_p99 * 1e3, of.count);
    } else if (what == "copy" && argc == 5) {
        std::printf("%llu\n", static_cast<unsigned long long>(copy(settings, argv[3], argv[4])));
    } else {
        std::fputs(usage, stderr);
        return 2;
    }
    return EXIT_SUCCESS;
}

}  // namespace

stopwatch::stopwatch() : began_(std::chrono::steady_clock::now()), began_cpu_(cpu_time()) {}

figures stopwatch::of(std::uint64_t count) const
{
    auto const total = static_cast<double>(count);
    seconds const passed = std::chrono::steady_clock::now() - began_;
    return {total / passed.count(), total / (cpu_time() - began_cpu_).count()};
}

}  // namespace pgtally::bench

int main(int argc, char** argv)
{
    try {
        return pgtally::bench::run(argc, argv);
    } catch (std::exception const& failure) {
        std::fprintf(stderr, "pgtally-bench: %s\n", failure.what());
        return EXIT_FAILURE;
    }
}
