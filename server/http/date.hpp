#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace pgtally::server {

// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
std::string http_date(std::time_t when);

// The time now, for the field Date, written once a second. Valid until the next call in this thread.
std::string_view date_now();

}  // namespace pgtally::server
