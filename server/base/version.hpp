#pragma once

#include <string_view>

namespace pgtally::server {

// Both numbers are written once, in the CMakeLists.txt at the top of the repository.

// The version of the program and of the libraries: "0.1.0".
std::string_view version() noexcept;

// The version of schema tally that `pgtally install` creates. A server works with this one and with the one before.
int schema_version() noexcept;

}  // namespace pgtally::server
