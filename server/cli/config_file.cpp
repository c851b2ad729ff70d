#include <pgtally/server/cli/config_file.hpp>
#include <pgtally/server/cli/option_values.hpp>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

namespace pgtally::server {

namespace po = boost::program_options;

namespace {

constexpr std::size_t max_file_bytes = 1U << 20;
constexpr std::string_view not_in_files[]{"config", "check-config", "help", "version"};

std::string text_of(std::string const& path)
{
    errno = 0;
    std::ifstream file{path, std::ios::binary};
    std::string out(max_file_bytes + 1, '\0');
    if (!file || (!file.read(out.data(), static_cast<std::streamsize>(out.size())) && !file.eof())) {
        throw bad_option{"--config: cannot read " + shown(path) + ": " + std::strerror(errno != 0 ? errno : EIO)};
    }
    out.resize(static_cast<std::size_t>(file.gcount()));
    if (out.size() > max_file_bytes) throw bad_option{"--config: " + shown(path) + " has more than 1 MiB"};
    return out;
}

// How many letters must be added, removed or replaced to make one word of another.
std::size_t distance(std::string_view from, std::string_view to)
{
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
        auto diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < to.size(); ++j) {
            auto const replaced = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string suggestion(std::string_view name, po::options_description const& known)
{
    constexpr std::size_t longest = 64;
    std::string best;
    std::size_t least = 3;  // beyond which it is another word
    for (auto const& option : known.options()) {
        auto const& candidate = option->long_name();
        auto const d = distance(name.substr(0, longest), candidate);
        if (d >= least || d >= candidate.size()) continue;
        least = d;
        best = candidate;
    }
    return best.empty() ? best : "; did you mean " + best + "?";
}

file_values read_config_file(std::string const& path, po::options_description const& known)
{
    std::istringstream text{text_of(path)};
    file_values out;
    try {
        for (auto const& each : po::parse_config_file(text, known, true).options) {
            auto const& name = each.string_key;
            bool const allowed = std::ranges::find(not_in_files, name) == std::end(not_in_files);
            if (!allowed || known.find_nothrow(name, false) == nullptr) {
                throw bad_option{shown(path) + ": there is no option " + shown(name) +
                                 (allowed ? suggestion(name, known) : " for files")};
            }
            auto& values = out[name];
            values.insert(values.end(), each.value.begin(), each.value.end());
        }
    } catch (po::error const& e) {
        // what() quotes the line, which can hold a password.
        throw bad_option{shown(path) + ": a line is not `option = value`"};
    }
    return out;
}

}  // namespace pgtally::server
