#pragma once

#include <pgtally/db/pool.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace pgtally::test {

struct pool_fixture : db_fixture {
    [[nodiscard]] db::pool_config pooled(std::size_t connections, std::string conninfo = cluster::shared().dsn()) const
    {
        db::pool_config made;
        made.connection = settings(std::move(conninfo));
        made.connection.retry.first = std::chrono::milliseconds{1};
        made.connection.retry.cap = std::chrono::milliseconds{20};
        made.max_connections = connections;
        made.acquire_timeout = std::chrono::seconds{60};
        return made;
    }
};

// A caller of acquire() that runs concurrently with the test.
struct caller {
    bool ended = false;
    db::lease held;
    std::optional<db::error> failure;
    asio::cancellation_signal cancel;

    void start(asio::any_io_executor executor, asio::awaitable<db::lease> acquiring)
    {
        auto handler = asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {});
        asio::co_spawn(executor, take(std::move(acquiring)), std::move(handler));
    }

    asio::awaitable<void> take(asio::awaitable<db::lease> acquiring)
    {
        try {
            held = co_await std::move(acquiring);
        } catch (db::error const& thrown) {
            failure = thrown;
        }
        ended = true;
    }
};

inline asio::awaitable<void> turns(asio::any_io_executor executor, int count)
{
    for (int i = 0; i < count; ++i) co_await asio::post(executor, asio::use_awaitable);
}

inline asio::awaitable<void> until_ended(asio::any_io_executor executor, caller const& of)
{
    while (!of.ended) co_await asio::post(executor, asio::use_awaitable);
}

inline void terminate(db::connection const& conn)
{
    auto const pid = std::to_string(static_cast<int>(conn.backend_pid()));
    cluster::shared().sql("select pg_terminate_backend(" + pid + ", 60000)");  // waits for the end of the backend
}

/// Nothing if it succeeded.
inline asio::awaitable<std::optional<db::error>> outcome_of(asio::awaitable<db::result_set> operation)
{
    std::optional<db::error> thrown;
    try {
        co_await std::move(operation);
    } catch (db::error const& caught) {
        thrown = caught;
    }
    co_return thrown;
}

}  // namespace pgtally::test
