#pragma once

#include <pgtally/db/listener.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pgtally::test {

// "channel:payload", "+" for listening, "!reason" for lost.
inline std::string shown(db::event const& each)
{
    if (auto const* n = std::get_if<db::notification>(&each))
        return std::string(n->channel) + ":" + std::string(n->payload);
    if (std::holds_alternative<db::listening>(each)) return "+";
    return "!" + std::get<db::lost>(each).reason;
}

// A listener whose run() is concurrent with the test, and its events one by one.
class subject {
public:
    subject(asio::any_io_executor executor, db::config settings, std::vector<std::string> channels = {"one", "two"},
            db::listener_limits limits = db::listener_limits())
        : listener(executor, std::move(settings), std::move(channels), limits), executor_(executor)
    {
    }

    void start() { spawn(executor_, follow(listener.run(), run_ended_)); }

    asio::awaitable<std::string> next()
    {
        while (position_ == batch_.size()) {
            auto const events = co_await listener.next();
            if (events.empty()) co_return "stopped";
            batch_.clear();
            position_ = 0;
            for (auto const& each : events) batch_.push_back(shown(each));
        }
        co_return batch_[position_++];
    }

    // Skips other events.
    asio::awaitable<void> until(std::string wanted)
    {
        for (;;) {
            auto const got = co_await next();
            BOOST_REQUIRE(got != "stopped");
            if (got == wanted) co_return;
        }
    }

    asio::awaitable<void> until_run_ended()
    {
        while (!*run_ended_) co_await asio::post(executor_, asio::use_awaitable);
    }

    db::listener listener;

private:
    // Uses nothing of `this`, because run() may end later.
    static asio::awaitable<void> follow(asio::awaitable<void> running, std::shared_ptr<bool> ended)
    {
        co_await std::move(running);
        *ended = true;
    }

    asio::any_io_executor executor_;
    std::shared_ptr<bool> run_ended_ = std::make_shared<bool>(false);
    std::vector<std::string> batch_;
    std::size_t position_ = 0;
};

inline void notify(std::string const& sql)
{
    cluster::shared().sql(sql);
}

inline std::string pid_of(db::listener const& of)
{
    return std::to_string(static_cast<int>(of.backend_pid()));
}

inline db::config hurried(db::config settings)
{
    settings.retry.first = std::chrono::milliseconds{1};
    settings.retry.cap = std::chrono::milliseconds{20};
    return settings;
}

}  // namespace pgtally::test
