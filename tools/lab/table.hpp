#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

enum class align {
    left,   ///< words
    right,  ///< numbers
};

struct column {
    std::string heading{};  ///< for people
    std::string key{};      ///< in JSON
    align side = align::left;
};

/// A value for programs, and the text that people read. Text is UTF-8, of any number of lines.
struct cell {
    boost::json::value value{};
    std::string text{};
};

/// Rows of cells under columns: aligned text, or JSON.
class table {
public:
    explicit table(std::vector<column> columns);

    /// Throws std::invalid_argument unless there is one cell for each column.
    void add(std::vector<cell> row);

    /// Columns as wide as their widest cell, two blanks between them, a rule under the headings; no blanks at the ends
    /// of lines.
    void print(std::ostream& out) const;

    /// An object for each row.
    [[nodiscard]] boost::json::array to_json() const;

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] std::vector<column> const& columns() const noexcept { return columns_; }
    [[nodiscard]] std::vector<std::vector<cell>> const& rows() const noexcept { return rows_; }

private:
    std::vector<column> columns_;
    std::vector<std::vector<cell>> rows_{};
};

[[nodiscard]] cell words(std::string text);
[[nodiscard]] cell number(std::int64_t value);              ///< 12345 is "12,345"
[[nodiscard]] cell decimal(double value, unsigned places);  ///< in JSON rounded likewise
[[nodiscard]] cell yes_or_no(bool value);
[[nodiscard]] cell nothing();  ///< "-", and null

}  // namespace pgtally::lab
