// pgtally-bench: the library's part in tools/bench. Prints numbers.

#include "contestants.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

namespace {

namespace bench = pgtally::bench;

constexpr char const* usage = R"(usage: pgtally-bench lookup DSN CALLERS SECONDS    lookups/s
       pgtally-bench listen DSN COUNT              notifications/s, and per second of its own CPU time
       pgtally-bench contests                      the names of the above
)";

int run(int argc, char const* const* argv)
{
    auto const what = argc > 1 ? std::string_view(argv[1]) : std::string_view();
    if (what == "contests" && argc == 2) {
        std::puts("lookup\nlisten");
        return EXIT_SUCCESS;
    }
    pgtally::db::config settings;
    if (argc > 2) settings.conninfo = argv[2];
    if (what == "lookup" && argc == 5) {
        std::printf("%.1f\n",
                    bench::lookups(settings, std::stoul(argv[3]), std::chrono::duration<double>(std::stod(argv[4]))));
        return EXIT_SUCCESS;
    }
    if (what == "listen" && argc == 4) {
        auto const heard = bench::notifications(settings, std::stoul(argv[3]));
        std::printf("%.1f %.1f\n", heard.per_second, heard.per_cpu_second);
        return EXIT_SUCCESS;
    }
    std::fputs(usage, stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        return run(argc, argv);
    } catch (std::exception const& failure) {
        std::fprintf(stderr, "pgtally-bench: %s\n", failure.what());
        return EXIT_FAILURE;
    }
}
