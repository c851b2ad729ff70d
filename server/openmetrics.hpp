#pragma once

#include <string>
#include <string_view>

namespace pgtally::server {

// The same metrics in the format OpenMetrics 1.0: the families of counters are named without `_total`, units are told, and
// the text has an end. `text` is Prometheus' text format, as prometheus-cpp writes it.
// https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
std::string to_openmetrics(std::string_view text);

}  // namespace pgtally::server
