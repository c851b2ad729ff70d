#include <pgtally/server/ask/counters_text.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>

#include <algorithm>

namespace pgtally::server {

namespace {

using line = std::vector<std::string>;

line header(counters_answer const& what, bool numbered)
{
    line out;
    if (numbered) out.emplace_back("place");
    out.emplace_back("key");
    for (auto const& name : what.names) out.push_back(printable(name));
    return out;
}

line cells(counters_row const& row, std::size_t place)
{
    line out;
    if (place > 0) out.push_back(std::to_string(place));
    out.push_back(readable(row.key));
    for (auto const value : row.counters) out.push_back(std::to_string(value));
    return out;
}

}  // namespace

std::vector<std::string> table_lines(counters_answer const& what, bool numbered)
{
    std::vector<line> lines{header(what, numbered)};
    std::size_t place = 0;
    for (auto const& row : what.rows) lines.push_back(cells(row, numbered ? ++place : 0));
    std::vector<std::size_t> widths(lines.front().size());
    for (auto const& each : lines) {
        for (std::size_t i = 0; i < each.size(); ++i) widths[i] = std::max(widths[i], columns(each[i]));
    }
    std::size_t const left = numbered ? 1 : 0;  // the key is aligned to the left, numbers to the right
    std::vector<std::string> out;
    for (auto const& each : lines) {
        std::string text;
        for (std::size_t i = 0; i < each.size(); ++i) {
            std::string const space(widths[i] - columns(each[i]), ' ');
            if (i > 0) text += "  ";
            text += i == left ? each[i] + space : space + each[i];
        }
        out.push_back(std::move(text));
    }
    return out;
}

std::string counters_line(std::vector<std::string> const& names, counters_row const& row)
{
    std::string out = readable(row.key);
    for (std::size_t i = 0; i < names.size(); ++i) {
        out += ' ' + printable(names[i]) + '=' + std::to_string(row.counters[i]);
    }
    return out;
}

std::string counters_object(std::vector<std::string> const& names, counters_row const& row)
{
    std::string out{R"({"key":)"};
    append_json(out, row.key);
    out += R"(,"counters":)";
    append_counters(out, names, std::span<std::int64_t const>{row.counters});
    out += '}';
    return out;
}

}  // namespace pgtally::server
