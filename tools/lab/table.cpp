#include "table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace pgtally::lab {
namespace {

// In characters: counts bytes that do not continue a character.
std::size_t width_of(std::string const& text)
{
    auto const begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

std::vector<std::string> lines_of(std::string const& text)
{
    std::vector<std::string> lines;
    std::istringstream from(text);
    for (std::string line; std::getline(from, line);) lines.push_back(line);
    return lines;
}

void append_padded(std::string& line, std::string const& text, std::size_t width, align side)
{
    std::string const blanks(width - width_of(text), ' ');
    line += side == align::right ? blanks + text : text + blanks;
}

void write_line(std::ostream& out, std::string line)
{
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
}

}  // namespace

table::table(std::vector<column> columns) : columns_(std::move(columns)) {}

void table::add(std::vector<cell> row)
{
    if (row.size() != columns_.size()) throw std::invalid_argument("a row of a table has another number of cells");
    rows_.push_back(std::move(row));
}

void table::print(std::ostream& out) const
{
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        auto width = width_of(columns_[i].heading);
        for (auto const& row : rows_)
            for (auto const& line : lines_of(row[i].text)) width = std::max(width, width_of(line));
        widths.push_back(width);
    }
    auto const write = [&](auto const& text_of) {
        std::vector<std::vector<std::string>> cells;
        std::size_t height = 1;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            cells.push_back(lines_of(text_of(i)));
            height = std::max(height, cells.back().size());
        }
        for (std::size_t y = 0; y < height; ++y) {
            std::string line;
            for (std::size_t i = 0; i < cells.size(); ++i) {
                if (i > 0) line += "  ";
                append_padded(line, y < cells[i].size() ? cells[i][y] : std::string(), widths[i], columns_[i].side);
            }
            write_line(out, std::move(line));
        }
    };
    write([&](std::size_t i) { return columns_[i].heading; });
    write([&](std::size_t i) { return std::string(widths[i], '-'); });
    for (auto const& row : rows_) write([&](std::size_t i) { return row[i].text; });
}

boost::json::array table::to_json() const
{
    boost::json::array all;
    for (auto const& row : rows_) {
        boost::json::object one;
        for (std::size_t i = 0; i < columns_.size(); ++i) one[columns_[i].key] = row[i].value;
        all.push_back(std::move(one));
    }
    return all;
}

cell words(std::string text)
{
    boost::json::value value(text);
    return {std::move(value), std::move(text)};
}

cell number(std::int64_t value)
{
    auto text = std::to_string(value);
    auto const digits_from = value < 0 ? std::size_t{1} : std::size_t{0};
    for (auto at = text.size(); at > digits_from + 3;) text.insert(at -= 3, ",");
    return {boost::json::value(value), std::move(text)};
}

cell decimal(double value, unsigned places)
{
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f", static_cast<int>(places), value);
    auto const scale = std::pow(10.0, places);
    return {boost::json::value(std::round(value * scale) / scale), text.data()};
}

cell yes_or_no(bool value)
{
    return {boost::json::value(value), value ? "yes" : "no"};
}

cell nothing()
{
    return {boost::json::value(nullptr), "-"};
}

}  // namespace pgtally::lab
