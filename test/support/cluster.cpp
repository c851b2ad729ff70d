#include <pgtally/test/support/cluster.hpp>

#include <libpq-fe.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace pgtally::test {
namespace {

std::string tool()
{
#ifdef PGTALLY_SOURCE_DIR
    return PGTALLY_SOURCE_DIR "/tools/cluster";
#else
    auto const here = std::filesystem::absolute(__FILE__);
    return (here.parent_path() / "../../tools/cluster").lexically_normal().string();
#endif
}

std::string shell_quoted(std::string const& text)
{
    std::string result{"'"};
    for (char const c : text) {
        if (c == '\'') result += "'\\''";
        else result += c;
    }
    return result += "'";
}

// Runs the tool and returns its output.
std::string run_tool(std::string const& arguments)
{
    auto const command = shell_quoted(tool()) + " " + arguments + " 2>&1";
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "re"), &pclose);
    if (!pipe) throw std::runtime_error("cannot run " + command);
    std::string output;
    std::array<char, 512> chunk;
    while (auto const count = std::fread(chunk.data(), 1, chunk.size(), pipe.get())) output.append(chunk.data(), count);
    if (pclose(pipe.release()) != 0) throw std::runtime_error(command + ": " + output);
    return output;
}

}  // namespace

cluster& cluster::shared()
{
    static cluster instance({"fsync=off", "wal_level=logical", "max_connections=200"});
    return instance;
}

cluster::cluster(std::vector<std::string> settings) : settings_(std::move(settings))
{
    static std::atomic<int> made{0};
    folder_ = "/tmp/pgtally-test-" + std::to_string(getpid()) + "-" + std::to_string(++made);
    guard();
    start();
}

cluster::~cluster()
{
    close(guardian_pipe_);
    waitpid(guardian_pid_, nullptr, 0);
}

// Starts a process that waits until this one ends or closes the pipe, and then removes the cluster.
void cluster::guard()
{
    std::array<int, 2> ends;
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    auto const program = tool();
    guardian_pid_ = fork();
    if (guardian_pid_ < 0) throw std::runtime_error("fork failed");
    if (guardian_pid_ == 0) {
        setsid();  // a Ctrl-C at the terminal reaches only the tests
        dup2(ends[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", "read -r _; exec \"$0\" drop \"$1\" >/dev/null 2>&1", program.c_str(),
              folder_.c_str(), static_cast<char*>(nullptr));
        _exit(127);
    }
    close(ends[0]);
    guardian_pipe_ = ends[1];
}

std::string cluster::dsn(std::string_view database) const
{
    return dsn_at(port_, database);
}

std::string cluster::dsn_at(int port, std::string_view database)
{
    return "host=127.0.0.1 port=" + std::to_string(port) + " user=postgres dbname=" + std::string(database);
}

std::string cluster::create_database()
{
    auto const name = "test_" + std::to_string(++databases_);
    sql("create database " + name);
    return name;
}

void cluster::stop(how mode)
{
    run_tool("stop " + shell_quoted(folder_) + (mode == how::fast ? " fast" : " immediate"));
}

void cluster::start()
{
    auto arguments = "start " + shell_quoted(folder_);
    for (auto const& setting : settings_) arguments += " " + shell_quoted(setting);
    auto const printed = run_tool(arguments);
    auto const at = printed.find("port=");
    if (at == std::string::npos) throw std::runtime_error("tools/cluster printed: " + printed);
    port_ = std::atoi(printed.c_str() + at + 5);
}

std::string cluster::sql(std::string const& statement, std::string_view database) const
{
    std::unique_ptr<PGconn, void (*)(PGconn*)> conn(PQconnectdb(dsn(database).c_str()), &PQfinish);
    if (PQstatus(conn.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(conn.get()));
    PQsetNoticeProcessor(conn.get(), [](void*, char const*) {}, nullptr);
    std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(conn.get(), statement.c_str()), &PQclear);
    auto const status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)
        throw std::runtime_error(statement + ": " + PQerrorMessage(conn.get()));
    if (PQntuples(result.get()) == 0 || PQnfields(result.get()) == 0) return std::string();
    return PQgetvalue(result.get(), 0, 0);
}

}  // namespace pgtally::test
