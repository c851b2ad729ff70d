#pragma once

// How the metrics write a family of their text.

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace pgtally::server {

using labels = std::vector<std::pair<std::string, std::string>>;
using families = std::vector<prometheus::MetricFamily>;

inline prometheus::MetricFamily& begin(families& out, std::string name, std::string help, prometheus::MetricType type)
{
    auto& family = out.emplace_back();
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    return family;
}

inline void add(prometheus::MetricFamily& to, double value, labels const& of = {})
{
    auto& metric = to.metric.emplace_back();
    for (auto const& [name, text] : of) metric.label.push_back({name, text});
    if (to.type == prometheus::MetricType::Counter) metric.counter.value = value;
    else metric.gauge.value = value;
}

inline void add_one(families& out, std::string name, std::string help, prometheus::MetricType type, double value)
{
    add(begin(out, std::move(name), std::move(help), type), value);
}

inline constexpr auto counter = prometheus::MetricType::Counter;
inline constexpr auto gauge = prometheus::MetricType::Gauge;

}  // namespace pgtally::server
