#pragma once

// The options that were given, by name: from the command line, else from the environment. And their values as types;
// what does not fit throws `bad_option` with the option's name and what is allowed.

#include <pgtally/server/cli/options.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

#include <stdexcept>

namespace pgtally::server {

class bad_option : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A value as an error may show it, `'5'`; "what was given" if it could be a connection string, with a password in it.
std::string shown(std::string const& value);

class option_values {
public:
    option_values(boost::program_options::options_description const& known, std::vector<std::string> const& arguments,
                  environment const& getenv);

    bool flag(std::string const& name) const;
    std::string text(std::string const& name, std::string const& otherwise) const;
    std::vector<std::string> list(std::string const& name) const;
    std::chrono::milliseconds time(std::string const& name, std::string const& otherwise,
                                   std::chrono::milliseconds least) const;
    std::size_t count(std::string const& name, std::size_t otherwise, std::size_t least, std::size_t most) const;
    endpoint address(std::string const& name, std::string const& value) const;

    // Throws: the option, where it was given, and what is allowed.
    [[noreturn]] void refuse(std::string const& name, std::string const& value, std::string const& allowed) const;

    // The value of a variable that is set and not empty.
    std::string variable(std::string const& name) const;

private:
    std::string from_environment(std::string const& name) const;

    boost::program_options::variables_map given_;
    environment getenv_;
};

// The variable of an option: PGTALLY_MAX_CLIENTS of max-clients.
std::string variable_of(std::string const& option);

}  // namespace pgtally::server
