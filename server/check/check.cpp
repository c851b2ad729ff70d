#include <pgtally/server/ask/screen.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/check/check.hpp>
#include <pgtally/server/check/database_letter.hpp>
#include <pgtally/server/check/letter.hpp>
#include <pgtally/server/check/server_letter.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>

namespace pgtally::server {

namespace {

std::string variable(char const* name)
{
    return environment_variable(name).value_or("");
}

asio::awaitable<examinations> examine(check_options options)
{
    bool const shown = ::isatty(STDERR_FILENO) == 1 && understands_sequences(variable("TERM"));
    progress report{co_await asio::this_coro::executor, shown};
    examinations out;
    if (options.database) {
        auto settings = session_config(session_kind::check, database_config(options.dsn));
        auto database = co_await examine_database(std::move(settings), report);
        out.push_back(std::move(database));
    }
    if (options.server) {
        auto server = co_await examine_server(std::move(*options.server), report);
        out.push_back(std::move(server));
    }
    co_return out;
}

letter_style style_of_output()
{
    bool const terminal = ::isatty(STDOUT_FILENO) == 1;
    return style_for(terminal, screen::present().columns, variable("TERM"), variable("NO_COLOR"));
}

}  // namespace

int check(check_options const& options)
{
    std::signal(SIGPIPE, SIG_IGN);
    // A standby is a finding. By default the client would look for another host.
    ::setenv("PGTARGETSESSIONATTRS", "any", 0);
    asio::io_context io{1};
    examinations found;
    std::exception_ptr failure;
    asio::co_spawn(io, examine(options), [&](std::exception_ptr thrown, examinations outcome) {
        failure = thrown;
        found = std::move(outcome);
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    std::cout << (options.json ? json_of(found) : text_of(found, style_of_output())) << std::flush;
    return all_good(found) ? 0 : 1;
}

}  // namespace pgtally::server
