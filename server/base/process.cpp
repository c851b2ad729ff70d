#include <pgtally/server/base/process.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace pgtally::server {

namespace {

double resident_bytes()
{
    std::ifstream in{"/proc/self/statm"};
    double total = 0, resident = 0;
    in >> total >> resident;
    return in ? resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

// proc(5): field 22 of stat is the start time in ticks after boot. Field 2 is the name, in brackets, and can contain
// blanks.
double start_time_seconds()
{
    std::ifstream stat{"/proc/self/stat"};
    std::string text{std::istreambuf_iterator<char>{stat}, {}};
    auto const bracket = text.rfind(')');
    if (bracket == std::string::npos) return 0;
    std::istringstream fields{text.substr(bracket + 1)};
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    double ticks = 0;
    fields >> ticks;

    std::ifstream boot{"/proc/stat"};
    double boot_time = 0;
    while (boot >> skipped) {
        if (skipped == "btime") boot >> boot_time;
        else std::getline(boot, skipped);
    }
    return fields && boot_time > 0 ? boot_time + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
}

double seconds_of(timeval const& time) noexcept
{
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

usage_of_process process_usage()
{
    static double const started = start_time_seconds();
    usage_of_process out;
    out.resident_bytes = resident_bytes();
    out.start_time_seconds = started;
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0) out.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    rlimit bound{};
    if (::getrlimit(RLIMIT_NOFILE, &bound) == 0) out.max_fds = static_cast<double>(bound.rlim_cur);
    std::error_code failure;
    std::filesystem::directory_iterator const open{"/proc/self/fd", failure};
    // The iterator has one descriptor itself.
    if (!failure) out.open_fds = static_cast<double>(std::distance(open, std::filesystem::directory_iterator{})) - 1;
    return out;
}

std::size_t raise_descriptor_limit()
{
    rlimit bound{};
    if (::getrlimit(RLIMIT_NOFILE, &bound) != 0) return 0;
    auto const before = bound.rlim_cur;
    bound.rlim_cur = bound.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &bound) != 0) bound.rlim_cur = before;
    return bound.rlim_cur;
}

std::optional<std::string> environment_variable(std::string const& name)
{
    auto const* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
}

}  // namespace pgtally::server
