#pragma once

#include <pgtally/test/db/fixture.hpp>

#include <chrono>
#include <cstdint>

namespace pgtally::test {

/// Checks that the connection answers, whatever happened before.
inline asio::awaitable<void> check_usable(db::connection& conn)
{
    conn.set_timeout(std::chrono::milliseconds{0});
    auto const rows = co_await conn.query_as<std::int64_t>("select 42::bigint");
    BOOST_TEST(rows.one() == 42);
}

/// Runs a test with an open connection.
template <class Body>
void with_connection(db::config settings, Body body)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings);
        co_await body(conn);
    });
}

}  // namespace pgtally::test
