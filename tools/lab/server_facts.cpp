#include "server_facts.hpp"

#include "statistics.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr int commits = 200;

constexpr std::array<char const*, 7> settings{"fsync",     "synchronous_commit", "full_page_writes", "shared_buffers",
                                              "wal_level", "wal_sync_method",    "max_connections"};

asio::awaitable<microseconds> commit_time(laboratory& lab, progress& shown)
{
    std::vector<microseconds> times;
    for (int i = 0; i < commits; ++i) {
        auto const sent = clock::now();
        co_await lab.director().query("insert into commits values (1)");
        times.push_back(std::chrono::duration_cast<microseconds>(clock::now() - sent));
        shown.tick();
    }
    co_return percentile(times, 0.5);
}

cell milliseconds(microseconds time)
{
    auto value = decimal(static_cast<double>(time.count()) / 1'000.0, 3);
    value.text += " ms";
    return value;
}

}  // namespace

asio::awaitable<std::vector<fact>> server_facts(laboratory& lab, progress& shown)
{
    std::vector<fact> all;
    using about = std::tuple<std::string, std::optional<bool>>;
    auto const found = co_await lab.director().query_as<about>(
        "select version(), inet_server_addr() is null or inet_server_addr() = inet_client_addr()");
    auto const [version, here] = found.one();
    all.push_back({"version", "version", words(version)});
    all.push_back({"same_machine", "on the lab's machine", yes_or_no(here.value_or(false))});
    for (auto const* name : settings) {
        auto const value =
            co_await lab.director().query_as<std::optional<std::string>>("select current_setting($1, true)", name);
        all.push_back({name, name, words(value.one().value_or("-"))});
    }
    co_await lab.reset(1, 1);
    co_await lab.director().query("create table commits (n int)");
    shown.begin("commits", 2 * commits);
    auto const waiting = co_await commit_time(lab, shown);
    co_await lab.director().query("set synchronous_commit = off");
    auto const not_waiting = co_await commit_time(lab, shown);
    co_await lab.director().query("reset synchronous_commit");
    shown.end();
    all.push_back({"commit_ms", "a commit of one row (p50 of 200, one session)", milliseconds(waiting)});
    all.push_back({"commit_without_flush_ms", "the same by synchronous_commit = off", milliseconds(not_waiting)});
    all.push_back({"flush_ms", "so a flush of the storage takes about",
                   milliseconds(std::max(waiting - not_waiting, microseconds(0)))});
    co_return all;
}

}  // namespace pgtally::lab
