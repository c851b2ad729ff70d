#pragma once

#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/cli/option_values.hpp>
#include <pgtally/server/cli/options.hpp>

#include <boost/program_options/options_description.hpp>

namespace pgtally::server {

// The options of `pgtally serve`, and what they mean.
boost::program_options::options_description serve_description();
command parse_serve(option_values const& values);

}  // namespace pgtally::server
