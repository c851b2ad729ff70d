#pragma once

#include "table.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::lab {

/// One bar, from 0.
struct bar {
    std::string label{};  ///< what it is of; empty: of the same as the one above it
    double value = 0;     ///< never negative
    std::string text{};   ///< the value, for people
    std::size_t series = 0;
};

/// Bars of one unit, one below the other.
struct chart {
    std::string title{};
    std::string unit{};
    std::vector<bar> bars{};
    std::vector<std::string> series{};  ///< their names, at most 3; empty if there is one only
};

enum class scale {
    linear,       ///< from 0
    logarithmic,  ///< by powers of ten: where the greatest would make the smallest invisible
};

/// Logarithmic where one bar is more than 50 times another that is not 0.
[[nodiscard]] scale scale_for(chart const& of);

/// The places of an axis with its marks, between 0 and 1.
struct axis {
    struct mark {
        double place = 0;
        std::string text{};
    };
    scale by = scale::linear;
    double from = 0;  ///< powers of ten, if logarithmic
    double to = 1;
    std::vector<mark> marks{};

    /// 0 for what is not greater than `from`.
    [[nodiscard]] double place_of(double value) const;
};

[[nodiscard]] axis axis_for(chart const& of);

/// The bars of one column of a table, labelled by another; rows without a number are left out. By keys of columns.
/// Throws std::invalid_argument if there is no such column.
[[nodiscard]] chart chart_of(table const& data, std::string const& label_key, std::string const& value_key,
                             std::string title, std::string unit);

}  // namespace pgtally::lab
