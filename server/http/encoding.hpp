#pragma once

#include <string_view>

namespace pgtally::server {

// Whether a field Accept-Encoding takes gzip: "br, gzip;q=0.5" does, "gzip;q=0" and an empty field do not.
bool accepts_gzip(std::string_view accept_encoding) noexcept;

// Whether a field Accept names OpenMetrics, with a weight that is not 0. Scrapers that can read it prefer it.
bool accepts_openmetrics(std::string_view accept) noexcept;

}  // namespace pgtally::server
