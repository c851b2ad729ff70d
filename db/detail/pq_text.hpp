#pragma once

#include <pgtally/db/detail/pq.hpp>

#include <string>
#include <string_view>

// What the files of pq share.
namespace pgtally::db::pq {

/// Null is empty.
inline std::string_view view(char const* text) noexcept
{
    return text == nullptr ? std::string_view() : std::string_view(text);
}

/// libpq's messages end their lines with a newline and may have several; what verbosity adds about
/// the server's source code is for nobody here.
std::string one_line(std::string_view text);

/// What a failed result or a notice says.
diagnostics to_diagnostics(pg_result const* raw);

/// PQconnectStartParams.
pg_conn* start(options const& wanted);

}  // namespace pgtally::db::pq
