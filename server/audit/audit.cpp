#include <pgtally/server/audit/audit.hpp>
#include <pgtally/server/audit/audit_runs.hpp>
#include <pgtally/server/base/log.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <utility>

namespace pgtally::server {

namespace {

void show(std::string const& line)
{
    std::cerr << "\r\033[K" << line << std::flush;
}

void show_nothing(std::string const&) {}

}  // namespace

int audit(audit_options const& options)
{
    std::signal(SIGPIPE, SIG_IGN);
    // The replicas log nothing: their findings are the output of the command.
    start_log(log_level::off, log_format::text);
    bool const terminal = ::isatty(STDERR_FILENO) == 1;
    audit_progress const report = terminal ? show : show_nothing;
    asio::io_context io{1};
    tally_audits found;
    std::exception_ptr failure;
    asio::co_spawn(io, options.server ? audit_there(options, report) : audit_here(options, report),
                   [&](std::exception_ptr thrown, tally_audits outcome) {
                       failure = thrown;
                       found = std::move(outcome);
                   });
    io.run();
    if (terminal) show({});
    if (failure) std::rethrow_exception(failure);
    std::cout << (options.json ? json_of(found) : text_of(found)) << std::flush;
    if (!options.json) std::cerr << failures_of(found);
    return exit_status(found);
}

}  // namespace pgtally::server
