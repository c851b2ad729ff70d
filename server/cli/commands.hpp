#pragma once

#include <pgtally/server/cli/options.hpp>

namespace pgtally::server {

// The commands. Each answers with the exit status: 0 done, 1 failed; of audit 3, too: it could not compare.
int serve(serve_options const& options);
int install(install_options const& options);
int uninstall(uninstall_options const& options);
int check(check_options const& options);
int audit(audit_options const& options);

}  // namespace pgtally::server
