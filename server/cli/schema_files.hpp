#pragma once

#include <span>
#include <string_view>

namespace pgtally::server {

// The SQL of schema/tally, put into the program when it is built (embed.cmake).
struct schema_file {
    std::string_view name, sql;
};

// Those that install runs, in order.
std::span<schema_file const> schema_files();

// The version that this makes.
inline constexpr int schema_version = 3;

// What removes it all.
std::string_view uninstall_sql();

}  // namespace pgtally::server
