#include <pgtally/server/base/text.hpp>
#include <pgtally/server/check/samples.hpp>

#include <charconv>
#include <cmath>
#include <limits>

namespace pgtally::server {

namespace {

std::optional<double> number(std::string_view text)
{
    if (text == "+Inf") return std::numeric_limits<double>::infinity();
    if (text == "-Inf") return -std::numeric_limits<double>::infinity();
    if (text == "NaN" || text == "Nan") return std::numeric_limits<double>::quiet_NaN();
    double out = 0;
    auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

// Takes `name="value"`, in which \\, \" and \n are escaped.
std::optional<std::pair<std::string, std::string>> take_label(std::string_view& from)
{
    auto const equals = from.find("=\"");
    if (equals == std::string_view::npos) return std::nullopt;
    std::string const name{trimmed(from.substr(0, equals))};
    std::string value;
    for (auto at = equals + 2; at < from.size(); ++at) {
        if (from[at] == '"') {
            from.remove_prefix(at + 1);
            return std::pair{name, value};
        }
        bool const escaped = from[at] == '\\' && at + 1 < from.size();
        if (escaped) ++at;
        value += escaped && from[at] == 'n' ? '\n' : from[at];
    }
    return std::nullopt;
}

bool has(samples::labels const& of, samples::label wanted)
{
    if (wanted.first.empty()) return true;
    auto const found = of.find(wanted.first);
    return found != of.end() && found->second == wanted.second;
}

}  // namespace

std::optional<samples::sample> samples::parse_line(std::string_view line)
{
    sample out;
    auto const end = line.find_first_of("{ ");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    out.name = line.substr(0, end);
    line.remove_prefix(end);
    if (line.front() == '{') {
        line.remove_prefix(1);
        while (!line.empty() && line.front() != '}') {
            auto label = take_label(line);
            if (!label) return std::nullopt;
            out.of.insert(std::move(*label));
            if (line.starts_with(',')) line.remove_prefix(1);
        }
        if (line.empty()) return std::nullopt;
        line.remove_prefix(1);
    }
    line = trimmed(line);
    auto const value = number(take_piece(line, ' '));  // a time can follow
    if (!value) return std::nullopt;
    out.value = *value;
    return out;
}

std::optional<samples> samples::parse(std::string_view text)
{
    samples out;
    while (!text.empty()) {
        auto const line = trimmed(take_piece(text, '\n'));
        if (line.empty() || line.starts_with('#')) continue;
        auto one = parse_line(line);
        if (!one) return std::nullopt;
        out.all_.push_back(std::move(*one));
    }
    if (out.all_.empty()) return std::nullopt;
    return out;
}

std::optional<double> samples::sum(std::string_view name, label having) const
{
    std::optional<double> out;
    for (auto const& one : all_) {
        if (one.name == name && has(one.of, having)) out = out.value_or(0) + one.value;
    }
    return out;
}

std::optional<double> samples::of_tally(std::string_view name, std::string_view tally, label having) const
{
    std::optional<double> out;
    for (auto const& one : all_) {
        if (one.name == name && has(one.of, {"tally", tally}) && has(one.of, having)) out = out.value_or(0) + one.value;
    }
    return out;
}

std::string samples::label_of(std::string_view name, std::string_view of) const
{
    for (auto const& one : all_) {
        auto const found = one.of.find(of);
        if (one.name == name && found != one.of.end()) return found->second;
    }
    return {};
}

std::optional<double> samples::quantile(std::string_view histogram, double part) const
{
    std::map<double, double> below;  // how many observations, by upper bound
    auto const name = std::string{histogram} + "_bucket";
    for (auto const& one : all_) {
        auto const bound = one.of.find("le");
        if (one.name != name || bound == one.of.end()) continue;
        auto const upper = number(bound->second);
        if (upper && !std::isnan(*upper)) below[*upper] += one.value;
    }
    if (below.empty() || below.rbegin()->second == 0) return std::nullopt;
    auto const wanted = part * below.rbegin()->second;
    for (auto const& [upper, count] : below) {
        if (count >= wanted) return upper;
    }
    return below.rbegin()->first;
}

}  // namespace pgtally::server
