#pragma once

#include <pgtally/server/cli/option_values.hpp>

#include <boost/program_options/options_description.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

// Options that several commands have.

// --dsn, --help, --version.
boost::program_options::options_description common_options();

// The database that --dsn, PGTALLY_DSN or DATABASE_URL names; empty: libpq's own environment does.
std::string dsn_of(option_values const& values);

// The names of --tally.
std::vector<std::string> tallies_of(option_values const& values);

}  // namespace pgtally::server
