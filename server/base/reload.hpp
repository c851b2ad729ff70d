#pragma once

// What SIGHUP changes while the server runs.

#include <pgtally/server/base/serve_options.hpp>

#include <string_view>
#include <vector>

namespace pgtally::server {

// Takes from `fresh` the options that may change: the log's level, origins, fields, hosts and proxies. Returns their names
// if they changed.
std::vector<std::string_view> take_changes(serve_options& into, serve_options const& fresh);

// The options that differ and need a restart.
std::vector<std::string_view> unchanged_until_restart(serve_options const& now, serve_options const& fresh);

}  // namespace pgtally::server
