#include <pgtally/server/base/log.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/cli/options.hpp>
#include <pgtally/server/service.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace {

using namespace pgtally::server;

// The options of `serve`, read again: the command line is the same, the environment and the file may differ.
serve_options serve_again(std::vector<std::string> const& arguments)
{
    auto const chosen = parse_command_line(arguments, environment_variable);
    if (auto const* const wrong = std::get_if<wrong_usage>(&chosen)) {
        auto const first = wrong->message.substr(0, wrong->message.find('\n'));
        throw std::runtime_error{first};
    }
    return std::get<serve_options>(chosen);
}

int run(serve_options const& chosen, std::vector<std::string> const& arguments)
{
    // If a client disconnects during a write, only the write fails, and the process continues.
    std::signal(SIGPIPE, SIG_IGN);
    start_log(chosen.level, chosen.format);
    try {
        service one{chosen, [&arguments] { return serve_again(arguments); }};
        return one.run();
    } catch (std::exception const& e) {
        log(log_level::error, "{}", e.what());
        return 1;
    }
}

int run(install_options const& chosen, std::vector<std::string> const&)
{
    return install(chosen);
}

int run(uninstall_options const& chosen, std::vector<std::string> const&)
{
    return uninstall(chosen);
}

int run(check_options const& chosen, std::vector<std::string> const&)
{
    return check(chosen);
}

int run(audit_options const& chosen, std::vector<std::string> const&)
{
    return audit(chosen);
}

int run(get_options const& chosen, std::vector<std::string> const&)
{
    return get(chosen);
}

int run(top_options const& chosen, std::vector<std::string> const&)
{
    return top(chosen);
}

int run(watch_options const& chosen, std::vector<std::string> const&)
{
    return watch(chosen);
}

int run(print_text const& answer, std::vector<std::string> const&)
{
    std::cout << answer.text;
    return 0;
}

int run(wrong_usage const& what, std::vector<std::string> const&)
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
        return std::visit([&arguments](auto const& each) { return run(each, arguments); }, chosen);
    } catch (std::exception const& e) {
        std::cerr << "pgtally: " << e.what() << '\n';
        return 1;
    }
}
