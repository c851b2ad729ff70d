#pragma once

#include <pgtally/server/base/endpoint.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/serve_options.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pgtally::server {

// What the command line asks for.

struct install_options {
    std::string dsn;
    bool print = false;
    std::vector<std::string> grant, grant_create;  // roles
};

struct uninstall_options {
    std::string dsn;
};

struct check_options {
    std::string dsn;
    bool json = false;
};

struct audit_options {
    std::string dsn;
    std::vector<std::string> tallies;    // empty: all
    std::chrono::milliseconds follow{};  // events, between the two loads
    std::optional<endpoint> url;         // a server's admin address, which then does it
    bool json = false;
    limits bounds;
};

// Text that answers the command line by itself.
struct print_text {
    std::string text;
};

// What is wrong with it, and what is allowed.
struct wrong_usage {
    std::string message;
};

using command = std::variant<serve_options, install_options, uninstall_options, check_options, audit_options,
                             print_text, wrong_usage>;

// The environment: the value of a variable, if it is set.
using environment = std::function<std::optional<std::string>(std::string const& name)>;

// `arguments` without the program's name. An option not given there is taken from `PGTALLY_<OPTION>`.
command parse_command_line(std::vector<std::string> const& arguments, environment const& getenv);

}  // namespace pgtally::server
