#pragma once

#include <pgtally/server/ask/server_access.hpp>
#include <pgtally/server/cli/option_values.hpp>

#include <optional>

namespace pgtally::server {

// The options of the commands that ask a server: --url, --token-file and --ca-file.

// `url` describes what the server at --url is for.
void add_access_options(boost::program_options::options_description& to, char const* url);

// What was given; nothing if --url was not, and there is no `otherwise`.
std::optional<server_access> access_of(option_values const& values, std::string const& otherwise);

}  // namespace pgtally::server
