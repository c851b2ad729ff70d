#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::test {

/// A private PostgreSQL cluster that tools/cluster creates in a folder under /tmp. It is dropped when the object
/// is destroyed. A child process drops it if the program ends in any other way. All calls block, and throw
/// std::runtime_error if they fail.
class cluster {
public:
    /// The cluster of this test program, created at its first use with fsync=off, wal_level=logical. A test that
    /// stops it starts it again.
    static cluster& shared();

    explicit cluster(std::vector<std::string> settings = {"fsync=off"});
    cluster(cluster const&) = delete;
    cluster& operator=(cluster const&) = delete;
    ~cluster();

    /// "host=127.0.0.1 port=... user=postgres dbname=..."; the port stays the same over restarts.
    [[nodiscard]] std::string dsn(std::string_view database = "postgres") const;
    /// The same for any cluster, or for a proxy in front of one.
    [[nodiscard]] static std::string dsn_at(int port, std::string_view database = "postgres");
    [[nodiscard]] int port() const noexcept { return port_; }
    [[nodiscard]] std::string const& folder() const noexcept { return folder_; }

    /// Creates an empty database and returns its name.
    std::string create_database();

    enum class how { fast, immediate };
    void stop(how mode = how::fast);
    void start();

    /// Runs SQL (one or several statements) as postgres. Returns the first column of the last result's first row;
    /// "" if there is none.
    std::string sql(std::string const& statement, std::string_view database = "postgres") const;

private:
    void guard();

    std::vector<std::string> settings_;
    std::string folder_;
    int port_ = 0;
    int databases_ = 0;
    int guardian_pipe_ = -1;
    int guardian_pid_ = -1;
};

}  // namespace pgtally::test
