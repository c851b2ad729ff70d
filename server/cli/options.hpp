#pragma once

#include <pgtally/server/ask/ask.hpp>
#include <pgtally/server/audit/audit.hpp>
#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/check/check.hpp>
#include <pgtally/server/cli/install.hpp>

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pgtally::server {

// The result of parsing the command line: the options of one command, a text to print, or an error.

// Text for stdout, such as the help. Exit status 0.
struct print_text {
    std::string text;
};

// A text for stderr that names the mistake and what is allowed. Exit status 2.
struct wrong_usage {
    std::string message;
};

using command = std::variant<serve_options, install_options, uninstall_options, check_options, audit_options,
                             get_options, top_options, watch_options, print_text, wrong_usage>;

// The environment: the value of a variable, if it is set.
using environment = std::function<std::optional<std::string>(std::string const& name)>;

// `arguments` are those after the name of the program. An option that is not among them is read from
// `PGTALLY_<OPTION>`.
command parse_command_line(std::vector<std::string> const& arguments, environment const& getenv);

}  // namespace pgtally::server
