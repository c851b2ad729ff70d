#pragma once

#include <span>
#include <string_view>

namespace pgtally::server {

// A file of schema/tally, as embed.cmake puts it into the program.
struct schema_file {
    std::string_view name, sql;
};

// The files that `install` runs, in order. They make version schema_version() of the schema.
std::span<schema_file const> schema_files();

// The script that removes the schema.
std::string_view uninstall_sql();

}  // namespace pgtally::server
