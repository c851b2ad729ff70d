#pragma once

// A replica_set that runs beside the test.

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/test/cache/replica/fixture.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace pgtally::test {

struct running_set {
    running_set(asio::any_io_executor chosen, replica_set::config config) : executor{chosen}
    {
        config.database.log = [this](db::level, std::string_view line) { lines.emplace_back(line); };
        config.on_audit = [this](std::string_view name) { audited.emplace_back(name); };
        set = std::make_unique<replica_set>(chosen, std::move(config));
        auto on_end = [this](std::exception_ptr thrown) {
            if (thrown) std::rethrow_exception(thrown);
            ended = true;
        };
        asio::co_spawn(executor, set->run(), std::move(on_end));
    }

    asio::awaitable<void> until_live(std::string name = "tweets")
    {
        auto live = [this, &name] {
            auto const* const tally = set->find(name);
            return tally != nullptr && tally->state() == cache::state::live;
        };
        co_await eventually(executor, live);
    }

    asio::awaitable<void> stop()
    {
        set->stop();
        auto over = [this] { return ended; };
        co_await eventually(executor, over);
    }

    // Waits until everything that was sent before is applied.
    asio::awaitable<void> settle(tweets const& of)
    {
        auto const barrier = set->expect_barrier();
        of.sql("select pg_notify('tally', '{\"barrier\":\"" + barrier->id() + "\"}')");
        bool const back = co_await barrier->came_back(30s);
        BOOST_TEST(back);
    }

    std::vector<std::int64_t> shown(std::string const& key, std::string const& name = "tweets")
    {
        auto const& tally = *set->find(name);
        auto const values = tally.counters(*cache::parse_key(tally.definition().kind(), key));
        return {values.begin(), values.end()};
    }

    std::size_t lines_with(std::string const& words) const
    {
        auto const has = [&](std::string const& line) { return line.find(words) != std::string::npos; };
        return static_cast<std::size_t>(std::ranges::count_if(lines, has));
    }

    asio::any_io_executor executor;
    std::vector<std::string> lines, audited;
    std::unique_ptr<replica_set> set;
    bool ended = false;
};

inline replica_set::config set_config(std::string dsn)
{
    replica_set::config out;
    out.database.conninfo = std::move(dsn);
    out.heartbeat = 200ms;
    return out;
}

/// Starts an audit. When the audit has ended, its report is in `out`.
struct audit_under_way {
    audit_under_way(running_set& of, std::string name = "tweets", std::chrono::milliseconds at_most = 30s)
    {
        auto done = [ended = ended, found = report](std::exception_ptr thrown, audit_report said) {
            if (thrown) std::rethrow_exception(thrown);
            *found = std::move(said);
            *ended = true;
        };
        asio::co_spawn(of.executor, of.set->audit(std::move(name), at_most), std::move(done));
    }

    asio::awaitable<audit_report> result(asio::any_io_executor executor)
    {
        auto over = [this] { return *ended; };
        co_await eventually(executor, over);
        co_return *report;
    }

    std::shared_ptr<bool> ended = std::make_shared<bool>(false);
    std::shared_ptr<audit_report> report = std::make_shared<audit_report>();
};

}  // namespace pgtally::test

// Boost.Test prints what it compares.
namespace std {
inline ostream& operator<<(ostream& out, vector<int64_t> const& values)
{
    out << '{';
    for (auto const value : values) out << ' ' << value;
    return out << " }";
}
}  // namespace std
