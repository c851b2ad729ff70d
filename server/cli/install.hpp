#pragma once

#include <string>
#include <vector>

namespace pgtally::server {

struct install_options {
    std::string dsn;
    bool print = false;
    std::vector<std::string> grant, grant_create;  // names of roles
};

struct uninstall_options {
    std::string dsn;
};

// The commands. Each returns the exit status: 0 done, 1 failed.
int install(install_options const& options);
int uninstall(uninstall_options const& options);

}  // namespace pgtally::server
