#pragma once

#include <boost/program_options/options_description.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The options that a file names, one in a line: `listen = 0.0.0.0:8080`. A line that begins with `#` is a comment. An option
// that can be repeated has several lines.
using file_values = std::map<std::string, std::vector<std::string>, std::less<>>;

// Throws `bad_option` if the file cannot be read, is no such file, or names an option that is not known.
file_values read_config_file(std::string const& path, boost::program_options::options_description const& known);

// "; did you mean listen?" if an option is called almost so, or nothing.
std::string suggestion(std::string_view name, boost::program_options::options_description const& known);

}  // namespace pgtally::server
