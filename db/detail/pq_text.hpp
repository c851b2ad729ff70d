#pragma once

#include <pgtally/db/detail/pq.hpp>

#include <string>
#include <string_view>

// Shared by the files pq*.cpp.
namespace pgtally::db::pq {

/// Null becomes an empty view.
inline std::string_view view(char const* text) noexcept
{
    return text == nullptr ? std::string_view() : std::string_view(text);
}

/// Joins the lines of a libpq message, and drops the location in the server's source code that VERBOSE adds.
std::string one_line(std::string_view text);

/// The diagnostics of a failed result or a notice.
diagnostics to_diagnostics(pg_result const* raw);

/// PQconnectStartParams.
pg_conn* start(options const& wanted);

}  // namespace pgtally::db::pq
