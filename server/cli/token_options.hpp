#pragma once

#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/cli/option_values.hpp>

#include <string_view>

namespace pgtally::server {

// The options of `serve` about tokens. Reads the files of --auth-key, so that one that cannot be used is wrong usage.
auth_options tokens_of(option_values const& values, limits const& bounds);

// Whether the text is a token of RFC 9110, 5.6.2, as names of fields and of cookies are.
bool is_field_name(std::string_view text);

// Whether tally.create_tally accepts the text as a name.
bool is_tally_name(std::string_view text);

}  // namespace pgtally::server
