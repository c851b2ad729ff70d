#pragma once

#include <pgtally/test/db/fixture.hpp>

namespace pgtally::test {

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
