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
    for (auto const& [title, data, says] : found.sections) {
        if (!std::exchange(first, false)) out << '\n';
        out << title << "\n\n";
        data.print(out);
        for (auto const& paragraph : says) {
            out << '\n';
            for (auto const& line : wrap(paragraph, width)) out << line << '\n';
        }
    }
}

boost::json::object to_json(report const& found)
{
    boost::json::array tables;
    for (auto const& [title, data, says] : found.sections) {
        boost::json::object one;
        one["title"] = title;
        one["rows"] = data.to_json();
        one["says"] = boost::json::array(says.begin(), says.end());
        tables.push_back(std::move(one));
    }
    boost::json::object all;
    all["experiment"] = found.experiment;
    all["settings"] = found.settings;
    all["tables"] = std::move(tables);
    return all;
}

}  // namespace pgtally::lab
