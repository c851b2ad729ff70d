#pragma once

#include <pgtally/server/options.hpp>

namespace pgtally::server {

// The commands. Each answers with the exit status: 0 done, 1 failed.
int serve(serve_options const& options);
int install(install_options const& options);
int uninstall(uninstall_options const& options);
int check(check_options const& options);

}  // namespace pgtally::server
