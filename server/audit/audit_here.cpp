#include <pgtally/cache/replica/catalog.hpp>
#include <pgtally/cache/replica/explain.hpp>
#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/audit/audit_runs.hpp>
#include <pgtally/server/base/database.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;
using names = std::vector<std::string>;

// After so many failed loads a tally is not waited for any more.
constexpr std::uint64_t max_load_failures = 3;

std::uint64_t load_failures(replica_set const& of, std::string const& name)
{
    std::uint64_t out = 0;
    auto const at = of.stats().tallies.find(name);
    if (at == of.stats().tallies.end()) return out;
    for (auto const& [state, count] : at->second.load_failures) out += count;
    return out;
}

// The tallies to audit. A tally that cannot be audited becomes a result in `out`. Errors that a replica set retries end
// the command here.
asio::awaitable<names> find_tallies(db::config settings, names wanted, tally_audits& out)
{
    names there;
    db::connection connection{co_await asio::this_coro::executor};
    try {
        co_await connection.connect(session_config(session_kind::audit, std::move(settings)));
        auto const seen = co_await read_catalog(connection);
        for (auto const& each : seen.tallies) there.push_back(each.name);
    } catch (db::error const& e) {
        out.push_back(no_audit({}, explain(e)));
        co_return names{};
    }
    if (there.empty()) out.push_back(no_audit({}, "there is no tally in this database"));
    if (wanted.empty()) co_return there;
    std::ranges::sort(wanted);
    auto const [repeated, end] = std::ranges::unique(wanted);
    wanted.erase(repeated, end);
    for (auto const& name : wanted) {
        if (!there.empty() && std::ranges::find(there, name) == there.end()) {
            out.push_back(no_audit(name, "there is no tally of this name"));
        }
    }
    std::erase_if(wanted, [&](auto const& name) { return std::ranges::find(there, name) == there.end(); });
    co_return wanted;
}

// Replicas that run beside the coroutine that creates them. It must await `stop` before it destroys them.
struct own_replicas {
    own_replicas(asio::any_io_executor executor, replica_set::config settings)
        : turn{executor}, set{executor, with_turns(std::move(settings))}
    {
        auto on_end = [this](std::exception_ptr) {
            running = false;
            turn.notify();
        };
        asio::co_spawn(executor, set.run(), std::move(on_end));
    }

    replica_set::config with_turns(replica_set::config settings)
    {
        settings.on_turn = [this] { turn.notify(); };
        return settings;
    }

    asio::awaitable<void> stop()
    {
        set.stop();
        while (running) co_await turn.wait();
    }

    bool running = true;
    db::detail::signal turn;
    replica_set set;
};

bool is_live(own_replicas& own, std::string const& name)
{
    auto const* const tally = own.set.find(name);
    return tally != nullptr && tally->state() == cache::state::live;
}

// Why the tally cannot be compared any more in this run. Empty if it still can.
std::string obstacle(own_replicas& own, std::string const& name)
{
    if (!own.running) return "the replicas stopped because of a defect";
    if (own.set.stats().reconnects != 0) return "the connection to the database was lost meanwhile";
    if (is_live(own, name)) return {};
    auto const* const tally = own.set.find(name);
    if (tally == nullptr && own.set.knows_tallies()) return "the tally was dropped meanwhile";
    if (tally != nullptr && tally->state() == cache::state::failed) return tally->reason().text();
    if (tally != nullptr && load_failures(own.set, name) >= max_load_failures) return tally->reason().text();
    return own.set.trouble().text();
}

// Waits until each tally is live or has an obstacle, or until `until`.
asio::awaitable<void> until_live(own_replicas& own, names const& all, clock::time_point until)
{
    auto const settled = [&] {
        return std::ranges::all_of(
            all, [&](auto const& name) { return is_live(own, name) || !obstacle(own, name).empty(); });
    };
    while (!settled()) {
        bool const notified = co_await own.turn.wait_until(until);
        if (!notified) co_return;
    }
}

asio::awaitable<tally_audit> audit_one(own_replicas& own, std::string name, std::chrono::milliseconds patience)
{
    if (auto const why = obstacle(own, name); !why.empty()) co_return no_audit(name, why);
    tally_audit out;
    out.report = co_await own.set.audit(name, patience);
    out.tally = std::move(name);
    co_return out;
}

}  // namespace

asio::awaitable<tally_audits> audit_here(audit_options chosen, audit_progress report)
{
    tally_audits out;
    auto settings = database_config(chosen.dsn);
    auto const all = co_await find_tallies(settings, chosen.tallies, out);
    if (all.empty()) co_return out;

    replica_set::config config;
    config.database = std::move(settings);
    config.only = all;
    auto const executor = co_await asio::this_coro::executor;
    own_replicas own{executor, std::move(config)};
    auto const patience = std::chrono::milliseconds{chosen.bounds.audit_timeout};
    report("loading " + std::to_string(all.size()) + " tallies");
    auto const load_until = clock::now() + patience;
    co_await until_live(own, all, load_until);
    auto const follow_until = clock::now() + chosen.follow;
    report("following events for " + std::to_string(chosen.follow.count()) + " ms");
    auto const all_blocked = [&] {
        return std::ranges::all_of(all, [&](auto const& name) { return !obstacle(own, name).empty(); });
    };
    while (clock::now() < follow_until && !all_blocked()) co_await own.turn.wait_until(follow_until);
    for (auto const& name : all) {
        report("comparing tally " + name);
        // The tally may have loaded again meanwhile: that load serves as well as the first.
        names const one{name};
        auto const again_until = clock::now() + patience;
        co_await until_live(own, one, again_until);
        auto found = co_await audit_one(own, name, patience);
        out.push_back(std::move(found));
    }
    co_await own.stop();
    co_return out;
}

}  // namespace pgtally::server
