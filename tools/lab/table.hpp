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
    std::string heading{};  ///< in text
    std::string key{};      ///< in JSON
    align side = align::left;
};

/// A value for JSON and its text, in UTF-8 with any number of lines.
struct cell {
    boost::json::value value{};
    std::string text{};
};

/// Rows of cells under columns, as aligned text or JSON.
class table {
public:
    explicit table(std::vector<column> columns);

    /// Throws std::invalid_argument unless there is one cell per column.
    void add(std::vector<cell> row);

    /// Prints columns as wide as their widest cell, with two blanks between them, a rule under the headings, and
    /// no trailing blanks.
    void print(std::ostream& out) const;

    /// One object per row.
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
[[nodiscard]] cell decimal(double value, unsigned places);  ///< JSON has the same rounding
[[nodiscard]] cell yes_or_no(bool value);
[[nodiscard]] cell nothing();  ///< "-", and null

}  // namespace pgtally::lab
