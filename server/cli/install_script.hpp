#pragma once

#include <pgtally/server/cli/schema_files.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// An SQL string constant of any text.
std::string quote_literal(std::string_view text);

// What `install` runs, or prints: one transaction that waits for locks a moment only. Roles in `grant` get what serving
// needs, those in `grant_create` may create tallies.
std::string install_script(std::span<schema_file const> files, std::vector<std::string> const& grant,
                           std::vector<std::string> const& grant_create);

// What `uninstall` runs, likewise.
std::string uninstall_script(std::string_view sql);

}  // namespace pgtally::server
