#include "own_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

extern char** environ;

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr auto grace = 5s;
constexpr std::size_t max_kept = 16 * 1024;  // bytes of its output
constexpr std::string_view listening = "listening at ";

// The environment without variables that affect the program, and with the database.
std::vector<std::string> environment_for(std::string const& dsn)
{
    std::vector<std::string> all;
    for (auto** each = environ; *each != nullptr; ++each) {
        std::string_view const one(*each);
        if (!one.starts_with("PGTALLY_")) all.emplace_back(one);
    }
    if (!dsn.empty()) all.push_back("PGTALLY_DSN=" + dsn);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& to)
{
    std::vector<char*> all;
    for (auto& one : to) all.push_back(one.data());
    all.push_back(nullptr);
    return all;
}

// Runs in the child between fork and exec, so it may call only async-signal-safe functions.
[[noreturn]] void become(char const* program, char* const* arguments, char* const* environment, int out, pid_t parent)
{
    ::setpgid(0, 0);  // Ctrl-C reaches only the lab, which ends the server
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execve(program, arguments, environment);
    ::_exit(127);
}

struct started {
    pid_t pid;
    int output;
};

started spawn(std::string const& program, std::string const& dsn)
{
    std::vector<std::string> words{program, "serve",   "--listen",    "127.0.0.1:0",  "--admin-listen",
                                   "none",  "--tally", "pgtally_lab", "--log-format", "text"};
    auto environment = environment_for(dsn);
    auto const arguments = pointers(words);
    auto const variables = pointers(environment);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw refused(std::string("no pipe: ") + std::strerror(errno));
    auto const parent = ::getpid();
    auto const pid = ::fork();
    if (pid == 0) become(program.c_str(), arguments.data(), variables.data(), ends[1], parent);
    auto const failure = errno;
    ::close(ends[1]);
    if (pid > 0) return {pid, ends[0]};
    ::close(ends[0]);
    throw refused(std::string("no process: ") + std::strerror(failure));
}

// "127.0.0.1:40123" from the line that reports it; empty before that line.
std::string address_in(std::string const& said)
{
    auto const at = said.find(listening);
    if (at == std::string::npos) return {};
    auto const end = said.find('\n', at);
    if (end == std::string::npos) return {};
    return said.substr(at + listening.size(), end - at - listening.size());
}

std::string last_line(std::string said)
{
    while (!said.empty() && said.back() == '\n') said.pop_back();
    auto const before = said.rfind('\n');
    return before == std::string::npos ? said : said.substr(before + 1);
}

}  // namespace

struct own_server::output {
    output(asio::any_io_executor executor, int descriptor) : from(executor, descriptor), changed(executor) {}

    asio::posix::stream_descriptor from;
    std::string text{};
    bool ended = false;
    asio::steady_timer changed;  // cancelled when one of the two members above changes
};

asio::awaitable<void> own_server::drain(std::shared_ptr<output> said)
{
    std::array<char, 4096> some{};
    for (;;) {
        auto const [failure, size] =
            co_await said->from.async_read_some(asio::buffer(some), asio::as_tuple(asio::use_awaitable));
        if (failure) break;
        // Later output is read and discarded, so that the server does not block.
        if (said->text.size() < max_kept) said->text.append(some.data(), size);
        said->changed.cancel();
    }
    said->ended = true;
    said->changed.cancel();
}

asio::awaitable<std::unique_ptr<own_server>> own_server::start(laboratory& lab, std::string program)
{
    auto const child = spawn(program, lab.dsn());
    auto const said = std::make_shared<output>(lab.executor(), child.output);
    std::unique_ptr<own_server> one(new own_server(child.pid, said));
    asio::co_spawn(lab.executor(), drain(said), [](std::exception_ptr) {});
    said->changed.expires_after(patience);
    auto const name = std::filesystem::path(program).filename().string();
    for (;;) {
        if (auto const where = read_http_address(address_in(said->text))) {
            one->address_ = *where;
            co_return one;
        }
        if (said->text.size() >= max_kept)
            throw refused(name + " serve writes too much before it says where it listens");
        if (said->ended) {
            auto const words = last_line(said->text);
            throw refused(name + " serve ended at once: " + (words.empty() ? "it cannot be run" : words));
        }
        auto const [code] = co_await said->changed.async_wait(asio::as_tuple(asio::use_awaitable));
        if (!code) throw refused(name + " serve does not listen after 30 s");
    }
}

own_server::~own_server()
{
    ::kill(pid_, SIGTERM);
    auto const until = std::chrono::steady_clock::now() + grace;
    for (;;) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != 0) break;
        if (std::chrono::steady_clock::now() > until) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            break;
        }
        std::this_thread::sleep_for(5ms);
    }
    boost::system::error_code ignored;
    said_->from.close(ignored);
}

std::string program_beside()
{
    std::error_code failure;
    auto const here = std::filesystem::read_symlink("/proc/self/exe", failure);
    if (failure) return {};
    auto const there = here.parent_path() / "pgtally";
    return ::access(there.c_str(), X_OK) == 0 ? there.string() : std::string();
}

}  // namespace pgtally::lab
