#pragma once

#include <string>
#include <string_view>

namespace pgtally::lab {

/// The connection string with another `application_name`, which wins over the one it may have, and over PGAPPNAME: of
/// options given twice, libpq takes the last. `dsn` is keywords, a URI or empty; `name` has no quotes nor backslashes.
[[nodiscard]] std::string with_application_name(std::string const& dsn, std::string_view name);

}  // namespace pgtally::lab
