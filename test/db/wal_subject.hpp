#pragma once

#include <pgtally/db/wal_stream.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pgtally::test {

/// A database with an empty publication.
struct wal_fixture : db_fixture {
    std::string database = cluster::shared().create_database();

    wal_fixture() { sql("create publication nothing"); }

    std::string sql(std::string const& statement) const { return cluster::shared().sql(statement, database); }
    [[nodiscard]] db::config settings() const { return db_fixture::settings(cluster::shared().dsn(database)); }

    /// Emits a message in a transaction of its own.
    void emit(std::string const& content, std::string const& prefix = "test") const
    {
        sql("select pg_logical_emit_message(true, '" + prefix + "', '" + content + "')");
    }
};

inline db::wal_stream_options wal_options()
{
    db::wal_stream_options options;
    options.publication = "nothing";
    options.prefix = "test";
    options.slot_prefix = "test";
    return options;
}

/// A copy of an event.
struct wal_heard {
    std::string
        text;  ///< "a b" for a transaction's messages, "incomplete", "+" for streaming, "?" for waiting, "!reason"
    db::wal::transaction transaction{};  ///< without messages
    db::wal::streaming streaming{};
    db::lost lost{};
    db::backend_pid waiting{};
};

inline wal_heard heard(db::wal::event const& each)
{
    wal_heard result;
    if (auto const* t = std::get_if<db::wal::transaction>(&each)) {
        for (std::size_t i = 0; i < t->messages.size(); ++i) {
            if (i > 0) result.text += ' ';
            result.text += t->messages[i];
        }
        if (!t->complete) result.text = "incomplete";
        result.transaction = *t;
        result.transaction.messages = {};
    } else if (auto const* s = std::get_if<db::wal::streaming>(&each)) {
        result.text = "+";
        result.streaming = *s;
    } else if (auto const* w = std::get_if<db::wal::waiting>(&each)) {
        result.text = "?";
        result.waiting = w->backend;
    } else {
        result.lost = std::get<db::lost>(each);
        result.text = "!" + result.lost.reason;
    }
    return result;
}

/// A wal_stream whose run() is concurrent with the test, and its events one by one.
class wal_subject {
public:
    wal_subject(asio::any_io_executor executor, db::config settings,
                db::wal_stream_limits limits = db::wal_stream_limits(), db::wal_stream_options options = wal_options())
        : stream(executor, std::move(settings), std::move(options), limits), executor_(executor)
    {
    }

    void start() { spawn(executor_, follow(stream.run(), run_ended_)); }

    asio::awaitable<wal_heard> next()
    {
        while (batch_.empty()) {
            auto const events = co_await stream.next();
            if (events.empty()) {
                wal_heard end;
                end.text = "stopped";
                co_return end;
            }
            for (auto const& each : events) batch_.push_back(heard(each));
        }
        auto first = std::move(batch_.front());
        batch_.pop_front();
        co_return first;
    }

    asio::awaitable<std::string> next_text()
    {
        auto const got = co_await next();
        co_return got.text;
    }

    /// Skips other events.
    asio::awaitable<wal_heard> until(std::string wanted)
    {
        for (;;) {
            auto got = co_await next();
            BOOST_REQUIRE(got.text != "stopped");
            if (got.text == wanted) co_return got;
        }
    }

    template <class Condition>
    asio::awaitable<void> wait_for(Condition condition)
    {
        asio::steady_timer again(executor_);
        constexpr int tries = 20'000;
        for (int i = 0; i < tries; ++i) {
            if (condition()) co_return;
            again.expires_after(std::chrono::milliseconds{2});
            co_await again.async_wait(asio::use_awaitable);
        }
        BOOST_FAIL("the condition does not come true");
    }

    asio::awaitable<void> until_run_ended()
    {
        auto const ended = [&] { return *run_ended_; };
        co_await wait_for(ended);
    }

    db::wal_stream stream;

private:
    // Uses nothing of `this`, because run() may end later.
    static asio::awaitable<void> follow(asio::awaitable<void> running, std::shared_ptr<bool> ended)
    {
        co_await std::move(running);
        *ended = true;
    }

    asio::any_io_executor executor_;
    std::shared_ptr<bool> run_ended_ = std::make_shared<bool>(false);
    std::deque<wal_heard> batch_;
};

inline db::config wal_hurried(db::config settings)
{
    settings.retry.first = std::chrono::milliseconds{1};
    settings.retry.cap = std::chrono::milliseconds{20};
    return settings;
}

}  // namespace pgtally::test
