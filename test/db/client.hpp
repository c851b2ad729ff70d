#pragma once

#include <pgtally/db/session.hpp>
#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally::test {

/// A call that runs concurrently with the test: its outcome, and a way to cancel it.
struct pending {
    bool ended = false;
    std::optional<db::error> failure{};
    db::result_set result{};
    asio::cancellation_signal cancel{};

    [[nodiscard]] bool failed_by(db::error_code code) const { return failure && failure->code() == code; }
};

/// A session whose run() is concurrent with the test, and a connection that can hold it up.
class client {
public:
    using call = std::shared_ptr<pending>;

    client(asio::any_io_executor executor, db::session_config settings)
        : session(executor, settings), other(executor), executor_(executor), settings_(std::move(settings.connection))
    {
    }

    void start() { spawn(executor_, follow_run(session.run(), run_ended)); }

    template <class... P>
    call begin(std::string sql, P const&... values)
    {
        return begin(session.query(std::move(sql), values...));
    }

    call begin(asio::awaitable<db::result_set> operation)
    {
        auto const into = std::make_shared<pending>();
        auto done = [](std::exception_ptr thrown) {
            if (thrown) std::rethrow_exception(thrown);
        };
        asio::co_spawn(executor_, follow(std::move(operation), into),
                       asio::bind_cancellation_slot(into->cancel.slot(), std::move(done)));
        return into;
    }

    /// Holds a lock that stop_here() waits for.
    asio::awaitable<void> hold()
    {
        co_await other.connect(settings_);
        co_await other.query("select pg_advisory_lock(7)");
    }
    /// Call it after hold(): a statement that runs until release().
    call stop_here() { return begin("select pg_advisory_xact_lock(7)"); }
    asio::awaitable<void> release() { co_await other.query("select pg_advisory_unlock(7)"); }

    template <class Condition>
    asio::awaitable<void> until(Condition condition)
    {
        while (!condition()) co_await asio::post(executor_, asio::use_awaitable);
    }
    asio::awaitable<void> until_sent(std::size_t calls)
    {
        while (session.in_flight() != calls) co_await asio::post(executor_, asio::use_awaitable);
    }
    asio::awaitable<void> until_ended(call of)
    {
        while (!of->ended) co_await asio::post(executor_, asio::use_awaitable);
    }

    /// The answer to `select $1` is $1.
    asio::awaitable<void> check_usable()
    {
        using row = std::tuple<std::int64_t>;
        auto const rows = co_await session.query_as<row>("select $1::bigint + 1", 41);
        BOOST_TEST(std::get<0>(rows.one()) == 42);
    }

    asio::awaitable<void> end()
    {
        session.stop();
        while (!*run_ended) co_await asio::post(executor_, asio::use_awaitable);
    }

    db::session session;
    db::connection other;
    std::shared_ptr<bool> run_ended = std::make_shared<bool>(false);

private:
    static asio::awaitable<void> follow_run(asio::awaitable<void> running, std::shared_ptr<bool> ended)
    {
        co_await std::move(running);
        *ended = true;
    }

    static asio::awaitable<void> follow(asio::awaitable<db::result_set> operation, call into)
    {
        try {
            into->result = co_await std::move(operation);
        } catch (db::error const& caught) {
            into->failure = caught;
        }
        into->ended = true;
    }

    asio::any_io_executor executor_;
    db::config settings_;
};

/// Runs a body with a client that is started before and stopped after it.
template <class Body>
void with_client(db::session_config const& settings, Body body)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        client it(executor, settings);
        it.start();
        co_await body(it);
        co_await it.end();
    });
}

struct session_fixture : db_fixture {
    [[nodiscard]] db::session_config session_settings(std::string conninfo = cluster::shared().dsn()) const
    {
        db::session_config result;
        result.connection = settings(std::move(conninfo));
        result.connection.retry.first = std::chrono::milliseconds{1};
        result.connection.retry.cap = std::chrono::milliseconds{20};
        return result;
    }
};

inline void terminate(db::backend_pid pid)
{
    cluster::shared().sql("select pg_terminate_backend(" + std::to_string(static_cast<int>(pid)) + ")");
}

}  // namespace pgtally::test
