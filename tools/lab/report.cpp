#include "report.hpp"

#include <ostream>
#include <sstream>
#include <utility>

namespace pgtally::lab {

std::vector<std::string> wrap(std::string const& text, std::size_t width)
{
    std::vector<std::string> lines;
    std::istringstream from(text);
    for (std::string word; from >> word;) {
        if (lines.empty() || lines.back().size() + 1 + word.size() > width) lines.push_back(word);
        else lines.back() += ' ' + word;
    }
    return lines;
}

void print_text(std::ostream& out, report const& found, std::size_t width)
{
    bool first = true;
    auto const write = [&](std::string const& paragraph) {
        for (auto const& line : wrap(paragraph, width)) out << line << '\n';
    };
    for (auto const& one : found.sections) {
        if (!std::exchange(first, false)) out << '\n';
        out << one.title << "\n\n";
        one.data.print(out);
        for (auto const& paragraph : one.says) {
            out << '\n';
            write(paragraph);
        }
    }
    if (!found.failure.empty()) write(found.experiment + " failed: " + found.failure);
}

boost::json::object to_json(report const& found)
{
    boost::json::array tables;
    for (auto const& of : found.sections) {
        boost::json::object one;
        one["title"] = of.title;
        one["rows"] = of.data.to_json();
        one["says"] = boost::json::array(of.says.begin(), of.says.end());
        tables.push_back(std::move(one));
    }
    boost::json::object all;
    all["experiment"] = found.experiment;
    all["settings"] = found.settings;
    all["tables"] = std::move(tables);
    if (!found.failure.empty()) all["failure"] = found.failure;
    return all;
}

}  // namespace pgtally::lab
