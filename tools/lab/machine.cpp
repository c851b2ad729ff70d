#include "machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

namespace pgtally::lab {
namespace {

// The text after "name", blanks and a colon at the beginning of a line.
std::optional<std::string> value_in(std::string const& text, std::string_view name)
{
    for (std::size_t from = 0; from < text.size();) {
        auto const end = std::min(text.find('\n', from), text.size());
        std::string_view const line(text.data() + from, end - from);
        from = end + 1;
        auto const colon = line.find(':');
        if (colon == std::string_view::npos || !line.starts_with(name)) continue;
        if (line.substr(name.size(), colon - name.size()).find_first_not_of(" \t") != std::string_view::npos) continue;
        auto const begin = line.find_first_not_of(" \t", colon + 1);
        if (begin != std::string_view::npos) return std::string(line.substr(begin));
    }
    return std::nullopt;
}

std::string file(char const* path)
{
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string cpu_model_in(std::string const& cpuinfo)
{
    for (auto const* name : {"model name", "Model", "Hardware", "cpu model"})
        if (auto const value = value_in(cpuinfo, name)) return *value;
    return "unknown";
}

std::int64_t memory_in(std::string const& meminfo)
{
    auto const value = value_in(meminfo, "MemTotal");
    std::int64_t kib = 0;
    if (value) std::from_chars(value->data(), value->data() + value->size(), kib);
    return kib * 1024;
}

std::vector<fact> machine_facts()
{
    utsname system{};
    ::uname(&system);
    auto const memory = memory_in(file("/proc/meminfo"));
    auto gib = decimal(static_cast<double>(memory) / (1024.0 * 1024 * 1024), 1);
    std::vector<fact> all;
    all.push_back({"cpu", "processor", words(cpu_model_in(file("/proc/cpuinfo")))});
    all.push_back({"cores", "cores", number(::sysconf(_SC_NPROCESSORS_ONLN))});
    all.push_back({"memory_bytes", "memory", {boost::json::value(memory), gib.text + " GiB"}});
    all.push_back(
        {"kernel", "kernel", words(std::string(system.sysname) + ' ' + system.release + ' ' + system.machine)});
    return all;
}

}  // namespace pgtally::lab
