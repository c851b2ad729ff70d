#pragma once

#include <pgtally/cache/replica/replica.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/test/support/cluster.hpp>
#include <pgtally/test/support/coroutine.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

namespace pgtally::test {

using namespace std::chrono_literals;

/// A fresh database with the tally "tweets" over table activity.
struct tweets {
    tweets();
    ~tweets();

    [[nodiscard]] std::string dsn() const { return cluster::shared().dsn(name); }
    std::string sql(std::string const& statement) const { return cluster::shared().sql(statement, name); }
    [[nodiscard]] replica::config config(std::string through = {}) const;

    /// Runs SQL in a separate transaction; returns the transaction's id.
    std::uint64_t write(std::string const& statements) const;

    std::string name;
};

/// Opens a connection, as another program would.
asio::awaitable<std::unique_ptr<db::connection>> connect(asio::any_io_executor executor, std::string dsn);

/// Runs a statement in a transaction and commits it; returns the transaction's id.
asio::awaitable<std::uint64_t> commit(db::connection& connection, std::string statement);

/// A replica that runs beside the test.
struct running {
    running(asio::any_io_executor chosen, replica::config config);

    asio::awaitable<void> until_live();
    asio::awaitable<void> until_ended();

    asio::any_io_executor executor;
    std::unique_ptr<pgtally::replica> replica;
    std::shared_ptr<bool> ended = std::make_shared<bool>(false);
};

/// Lets other coroutines run until `what()` is true. Fails the test if it does not become true.
template <class Condition>
asio::awaitable<void> eventually(asio::any_io_executor executor, Condition what)
{
    asio::steady_timer timer{executor};
    for (int i = 0; i < 30'000; ++i) {
        if (what()) co_return;
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
    BOOST_FAIL("it did not happen");
}

/// A mirror that receives changes.
struct mirror {
    void take(changes const& told)
    {
        ++calls;
        if (told.snapshot()) values.clear();
        for (auto const& [key, counters] : told) values[key.text()] = {counters["rts"], counters["favs"]};
    }

    int calls = 0;
    std::map<std::string, std::tuple<std::int64_t, std::int64_t>> values;
};

}  // namespace pgtally::test
