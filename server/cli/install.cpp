#include <pgtally/server/base/database_config.hpp>
#include <pgtally/server/base/script_runner.hpp>
#include <pgtally/server/cli/commands.hpp>
#include <pgtally/server/cli/install_script.hpp>

#include <iostream>

namespace pgtally::server {

int install(install_options const& options)
{
    auto const script = install_script(schema_files(), options.grant, options.grant_create);
    if (options.print) {
        std::cout << script;
        return 0;
    }
    start_log(log_level::warn, log_format::text);
    if (!run_script(options.dsn, script, "install")) return 1;
    std::cout << "schema tally is installed in " << database_config(options.dsn).redacted() << '\n';
    return 0;
}

int uninstall(uninstall_options const& options)
{
    start_log(log_level::warn, log_format::text);
    if (!run_script(options.dsn, uninstall_script(uninstall_sql()), "uninstall")) return 1;
    std::cout << "schema tally is removed from " << database_config(options.dsn).redacted() << '\n';
    return 0;
}

}  // namespace pgtally::server
