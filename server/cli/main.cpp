#include <pgtally/server/base/log.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/cli/options.hpp>
#include <pgtally/server/service.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

namespace {

using namespace pgtally::server;

int run(serve_options const& chosen)
{
    // If a client disconnects during a write, only the write fails, and the process continues.
    std::signal(SIGPIPE, SIG_IGN);
    start_log(chosen.level, chosen.format);
    try {
        service one{chosen};
        return one.run();
    } catch (std::exception const& e) {
        log(log_level::error, "{}", e.what());
        return 1;
    }
}

int run(install_options const& chosen)
{
    return install(chosen);
}

int run(uninstall_options const& chosen)
{
    return uninstall(chosen);
}

int run(check_options const& chosen)
{
    return check(chosen);
}

int run(audit_options const& chosen)
{
    return audit(chosen);
}

int run(get_options const& chosen)
{
    return get(chosen);
}

int run(top_options const& chosen)
{
    return top(chosen);
}

int run(watch_options const& chosen)
{
    return watch(chosen);
}

int run(print_text const& answer)
{
    std::cout << answer.text;
    return 0;
}

int run(wrong_usage const& what)
{
    std::cerr << what.message;
    return 2;
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        std::vector<std::string> const arguments{argv + 1, argv + argc};
        auto const chosen = parse_command_line(arguments, environment_variable);
        return std::visit([](auto const& each) { return run(each); }, chosen);
    } catch (std::exception const& e) {
        std::cerr << "pgtally: " << e.what() << '\n';
        return 1;
    }
}
