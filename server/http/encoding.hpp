#pragma once

#include <string_view>

namespace pgtally::server {

// Whether a field Accept-Encoding takes gzip: "br, gzip;q=0.5" does, "gzip;q=0" and an empty field do not.
bool accepts_gzip(std::string_view accept_encoding) noexcept;

}  // namespace pgtally::server
