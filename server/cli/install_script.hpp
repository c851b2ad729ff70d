#pragma once

#include <pgtally/server/cli/schema_files.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The text as an SQL string constant.
std::string quote_literal(std::string_view text);

// The script that `install` runs or prints: one transaction with a short lock timeout. Each role in `grant` gets the
// rights that serving needs; each role in `grant_create` may create tallies.
std::string install_script(std::span<schema_file const> files, std::vector<std::string> const& grant,
                           std::vector<std::string> const& grant_create);

// The script that `uninstall` runs, in the same form.
std::string uninstall_script(std::string_view sql);

}  // namespace pgtally::server
