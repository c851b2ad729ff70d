#pragma once

#include "table.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// One bar, starting at 0.
struct bar {
    std::string label{};  ///< empty: the same as that of the bar above
    double value = 0;     ///< never negative
    std::string text{};   ///< the value as text
    std::size_t series = 0;
};

/// Bars of one unit, one below another.
struct chart {
    std::string title{};
    std::string unit{};
    std::vector<bar> bars{};
    std::vector<std::string> series{};  ///< their names, at most 3; empty if there is only one
};

enum class scale {
    linear,       ///< starts at 0
    logarithmic,  ///< by powers of ten, if the greatest value would make the smallest invisible
};

/// Logarithmic if one bar is more than 50 times another one that is not 0.
[[nodiscard]] scale scale_for(chart const& of);

/// The marks of an axis and their places, between 0 and 1.
struct axis {
    struct mark {
        double place = 0;
        std::string text{};
    };
    scale by = scale::linear;
    double from = 0;  ///< a power of ten, if logarithmic
    double to = 1;
    std::vector<mark> marks{};

    /// 0 for values that are not greater than `from`.
    [[nodiscard]] double place_of(double value) const;
};

[[nodiscard]] axis axis_for(chart const& of);

/// Makes bars of one column of a table, labelled by another one, both named by key. Rows without a number are
/// omitted. Throws std::invalid_argument if there is no such column.
[[nodiscard]] chart chart_of(table const& data, std::string const& label_key, std::string const& value_key,
                             std::string title, std::string unit);

}  // namespace pgtally::lab
