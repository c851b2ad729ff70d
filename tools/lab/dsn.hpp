#pragma once

#include <string>
#include <string_view>

namespace pgtally::lab {

/// Returns the connection string with this `application_name`, which overrides an existing one and PGAPPNAME:
/// libpq uses the last of repeated options. `dsn` is keywords, a URI or empty; `name` contains no quotes or
/// backslashes.
[[nodiscard]] std::string with_application_name(std::string const& dsn, std::string_view name);

}  // namespace pgtally::lab
