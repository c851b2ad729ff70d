#pragma once

#include <pgtally/db/connection.hpp>
#include <pgtally/test/support/cluster.hpp>
#include <pgtally/test/support/coroutine.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::test {

/// Log lines, in order.
struct log_lines {
    std::vector<std::pair<db::level, std::string>> lines;

    [[nodiscard]] bool contain(std::string_view text) const
    {
        for (auto const& [at, line] : lines)
            if (line.find(text) != std::string::npos) return true;
        return false;
    }
};

/// Settings for a database of the shared cluster, with their own log.
struct db_fixture {
    std::shared_ptr<log_lines> log = std::make_shared<log_lines>();

    [[nodiscard]] db::config settings(std::string conninfo = cluster::shared().dsn()) const
    {
        db::config result;
        result.conninfo = std::move(conninfo);
        result.log = [into = log](db::level at, std::string_view line) {
            into->lines.emplace_back(at, std::string(line));
        };
        return result;
    }
};

/// Awaits a coroutine that must fail and returns its error. A success fails the test.
template <class T>
asio::awaitable<db::error> failure_of(asio::awaitable<T> operation)
{
    std::optional<db::error> thrown;
    try {
        co_await std::move(operation);
    } catch (db::error const& caught) {
        thrown = caught;
    }
    BOOST_REQUIRE_MESSAGE(thrown, "it did not fail");
    co_return *thrown;
}

/// A role that needs a password, which the cluster otherwise does not require.
inline void require_password_of(std::string const& role)
{
    auto& server = cluster::shared();
    auto const path = server.folder() + "/data/pg_hba.conf";
    std::string rules;
    {
        std::ifstream in(path);
        rules.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    std::ofstream(path) << "host all " << role << " 127.0.0.1/32 scram-sha-256\n" << rules;
    server.stop();
    server.start();
}

inline bool mentions(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

}  // namespace pgtally::test
