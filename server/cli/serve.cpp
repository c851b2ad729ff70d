#include <pgtally/server/base/log.hpp>
#include <pgtally/server/cli/commands.hpp>
#include <pgtally/server/service.hpp>

#include <csignal>
#include <exception>
#include <memory>

namespace pgtally::server {

int serve(serve_options const& options)
{
    // A client that goes while it is written to is an error of that write, not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    start_log(options.level, options.format);
    try {
        service one{options};
        return one.run();
    } catch (std::exception const& e) {
        log(log_level::error, "{}", e.what());
        return 1;
    }
}

}  // namespace pgtally::server
