#pragma once

#include <pgtally/server/http/response.hpp>

#include <string_view>

namespace pgtally::server {

// An answer by RFC 9457. `code` is for programs, `detail` for people; `type` is about:blank, so `title` is the status's
// own phrase. 503 and 429 say when to come again.
response problem(unsigned status, std::string_view code, std::string_view detail);

}  // namespace pgtally::server
