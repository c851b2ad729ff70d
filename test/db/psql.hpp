#pragma once

#include <pgtally/test/support/cluster.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdio>
#include <string>

namespace pgtally::test {

/// Runs a statement without quotation marks with psql: a COPY by another client.
inline std::string psql_command(std::string const& statement)
{
    return "psql -qXAt -v ON_ERROR_STOP=1 -d '" + cluster::shared().dsn() + "' -c '" + statement + "'";
}

inline void copy_in(std::string const& statement, std::string const& data)
{
    auto* const pipe = popen(psql_command(statement).c_str(), "w");
    BOOST_REQUIRE(pipe != nullptr);
    BOOST_TEST(std::fwrite(data.data(), 1, data.size(), pipe) == data.size());
    BOOST_TEST(pclose(pipe) == 0, statement);
}

inline std::string copy_out(std::string const& statement)
{
    auto* const pipe = popen(psql_command(statement).c_str(), "r");
    BOOST_REQUIRE(pipe != nullptr);
    std::string data;
    std::array<char, 4096> chunk;
    while (auto const count = std::fread(chunk.data(), 1, chunk.size(), pipe)) data.append(chunk.data(), count);
    BOOST_TEST(pclose(pipe) == 0, statement);
    return data;
}

}  // namespace pgtally::test
