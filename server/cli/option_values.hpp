#pragma once

// The options of a command by name, from the command line, else from the environment, else from the file that --config
// names, and their values as types. A
// value that is not valid throws `bad_option`, which names the option and what is allowed.

#include <pgtally/server/cli/config_file.hpp>
#include <pgtally/server/cli/options.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

#include <cstdint>
#include <stdexcept>

namespace pgtally::server {

class bad_option : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A value for an error text, in quotes. If it could be a connection string, which can hold a password, the text is "the
// given value" instead.
std::string shown(std::string const& value);

class option_values {
public:
    // `takes_words`: arguments that belong to no option are `words`; else they are refused. A word may begin with one `-`, as the
    // key -7 does: there are no short options.
    option_values(boost::program_options::options_description const& known, std::vector<std::string> const& arguments,
                  environment const& getenv, bool takes_words = false);

    // The arguments that belong to no option.
    std::vector<std::string> words() const;

    bool flag(std::string const& name) const;
    std::string text(std::string const& name, std::string const& otherwise) const;
    std::vector<std::string> list(std::string const& name) const;
    std::chrono::milliseconds time(std::string const& name, std::string const& otherwise,
                                   std::chrono::milliseconds least,
                                   std::chrono::milliseconds most = std::chrono::milliseconds::max()) const;
    std::size_t count(std::string const& name, std::size_t otherwise, std::size_t least, std::size_t most) const;
    std::uint64_t bytes(std::string const& name, std::string const& otherwise, std::uint64_t least) const;  // or 0
    endpoint address(std::string const& name, std::string const& value) const;

    // Throws `bad_option` with the option, where it was given, and what is allowed.
    [[noreturn]] void refuse(std::string const& name, std::string const& value, std::string const& allowed) const;

    // The value of an environment variable; empty if it is not set.
    std::string variable(std::string const& name) const;

private:
    std::string from_environment(std::string const& name) const;

    // The last value in the file; empty if it has none.
    std::string from_file(std::string const& name) const;

    boost::program_options::variables_map given_;
    environment getenv_;
    std::string path_;  // of the file
    file_values file_;
};

// The environment variable of an option: PGTALLY_MAX_CLIENTS for max-clients.
std::string variable_of(std::string const& option);

}  // namespace pgtally::server
