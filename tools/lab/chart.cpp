#include "chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <utility>

namespace pgtally::lab {
namespace {

constexpr double wide = 50;
constexpr int marks_wanted = 5;

struct extremes {
    double least = 0;  // greater than 0
    double most = 0;
};

extremes extremes_of(chart const& of)
{
    extremes found{std::numeric_limits<double>::infinity(), 0};
    for (auto const& one : of.bars) {
        found.most = std::max(found.most, one.value);
        if (one.value > 0) found.least = std::min(found.least, one.value);
    }
    return found;
}

// "1,000", "0.01": a power of ten, or a few digits of a step.
std::string mark_text(double value)
{
    if (value == 0 || value >= 10) return number(std::llround(value)).text;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4g", value);
    return text.data();
}

// 1, 2 or 5 times a power of ten, so that about that many steps reach `most`.
double step_for(double most)
{
    auto const raw = most / marks_wanted;
    auto const power = std::pow(10.0, std::floor(std::log10(raw)));
    for (auto const digit : {1.0, 2.0, 5.0})
        if (raw <= digit * power) return digit * power;
    return 10 * power;
}

axis linear_axis(double most)
{
    axis made;
    if (most <= 0) most = 1;
    auto const step = step_for(most);
    auto const steps = static_cast<int>(std::ceil(most / step - 1e-9));
    made.to = step * steps;
    for (int i = 0; i <= steps; ++i) made.marks.push_back({static_cast<double>(i) / steps, mark_text(step * i)});
    return made;
}

// Begins below the least value, so that its bar is visible.
axis logarithmic_axis(extremes of)
{
    axis made;
    made.by = scale::logarithmic;
    auto first = static_cast<int>(std::floor(std::log10(of.least)));
    if (of.least < 2 * std::pow(10.0, first)) --first;
    auto const last = static_cast<int>(std::ceil(std::log10(of.most) - 1e-9));
    made.from = std::pow(10.0, first);
    made.to = std::pow(10.0, last);
    for (int i = first; i <= last; ++i)
        made.marks.push_back({static_cast<double>(i - first) / (last - first), mark_text(std::pow(10.0, i))});
    return made;
}

std::size_t place_of_column(table const& data, std::string const& key)
{
    auto const& all = data.columns();
    auto const found = std::find_if(all.begin(), all.end(), [&](auto const& one) { return one.key == key; });
    if (found == all.end()) throw std::invalid_argument("a table has no column " + key);
    return static_cast<std::size_t>(found - all.begin());
}

}  // namespace

scale scale_for(chart const& of)
{
    auto const [least, most] = extremes_of(of);
    return most > wide * least ? scale::logarithmic : scale::linear;
}

double axis::place_of(double value) const
{
    if (!(value > from)) return 0;
    if (by == scale::linear) return value / to;
    return (std::log10(value) - std::log10(from)) / (std::log10(to) - std::log10(from));
}

axis axis_for(chart const& of)
{
    auto const found = extremes_of(of);
    return scale_for(of) == scale::logarithmic ? logarithmic_axis(found) : linear_axis(found.most);
}

chart chart_of(table const& data, std::string const& label_key, std::string const& value_key, std::string title,
               std::string unit)
{
    auto const label = place_of_column(data, label_key);
    auto const value = place_of_column(data, value_key);
    chart made{std::move(title), std::move(unit)};
    for (auto const& row : data.rows()) {
        auto const& is = row[value].value;
        if (!is.is_number()) continue;
        made.bars.push_back({row[label].text, std::max(is.to_number<double>(), 0.0), row[value].text});
    }
    return made;
}

}  // namespace pgtally::lab
