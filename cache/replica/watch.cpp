// Looks at what the database knows and no event says: what sources are, and what is wrong with tallies.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

namespace {

// The pause after all findings were read is the longer of a heartbeat's interval and this factor times the duration of
// the reading, which so uses at most 2 % of the connection's time.
constexpr int rest_per_reading = 50;

// Ends statements that take too long without ending the connection, which the heartbeats need.
std::string begin_look(std::chrono::milliseconds at_most)
{
    return begin_reading() + "; " + set_local({"statement_timeout", std::to_string(at_most.count())});
}

}  // namespace

void replica_set::impl::want_look(std::string const& name)
{
    looks.ask(name);
    hasten_look();
}

// Any role can send events that ask for a look.
void replica_set::impl::hasten_look()
{
    next_look = std::min(next_look, last_look + reading_interval);
    control_wake.notify();
}

// If the database reports an error or takes too long, what was not read changes nothing.
asio::awaitable<replica_set::impl::looked> replica_set::impl::look_around(db::connection& connection, int version)
{
    looked seen;
    std::string trouble;
    last_look = clock::now();
    next_look = last_look + settings.heartbeat;
    connection.set_timeout(answer_time());
    try {
        co_await connection.script(begin_look(settings.heartbeat));
        if (version >= schema_that_looks) co_await read_looks(connection, seen);
        else if (clock::now() >= next_findings) co_await read_all(connection, seen, false);
    } catch (db::error const& e) {
        if (!connection.is_open() && e.code() != db::errc::timed_out) throw;
        trouble = std::string{"cannot look for problems of tallies: "} + e.what();
        next_findings = clock::now() + (clock::now() - last_look) * rest_per_reading;
    }
    if (connection.in_transaction()) co_await connection.query("rollback");
    if (!trouble.empty() && trouble != look_trouble) log(db::level::warn, trouble);
    look_trouble = std::move(trouble);
    co_return seen;
}

asio::awaitable<void> replica_set::impl::read_looks(db::connection& connection, looked& seen)
{
    seen.number = looks.begin();
    auto rows = co_await read_look(connection);
    auto const& only = settings.only;
    auto const foreign = [&](looked_tally const& row) {
        return !only.empty() && std::ranges::find(only, row.name) == only.end();
    };
    std::erase_if(rows, foreign);
    auto const asks = looks.asks(rows);
    seen.rows = std::move(rows);
    if (clock::now() >= next_findings) {
        co_await read_all(connection, seen, true);
        co_return;
    }
    // What is not read now is read by the next look.
    auto const until = last_look + settings.heartbeat / 2;
    for (auto const& name : asks) {
        if (clock::now() >= until) break;
        auto found = co_await read_findings(connection, name);
        seen.found.push_back(std::move(found));
    }
}

asio::awaitable<void> replica_set::impl::read_all(db::connection& connection, looked& seen, bool looks_too)
{
    auto const began = clock::now();
    if (looks_too) seen.found = co_await read_all_findings(connection);
    else seen.found = co_await read_problems(connection);
    next_findings =
        clock::now() + std::max<clock::duration>(settings.heartbeat, (clock::now() - began) * rest_per_reading);
    for (auto const& [name, tally] : replicas) {
        if (std::ranges::find(seen.found, name, &found_in_tally::name) != seen.found.end()) continue;
        found_in_tally& nothing = seen.found.emplace_back();
        nothing.name = name;
    }
}

bool replica_set::impl::any_renamed(std::vector<looked_tally> const& rows)
{
    return std::ranges::any_of(rows, [this](looked_tally const& row) {
        auto const* const tally = find(row.name);
        return tally != nullptr && tally->definition().source != row.source;
    });
}

void replica_set::impl::take_look(looked const& seen)
{
    look::change change;
    if (seen.rows) change = looks.take(seen.number, *seen.rows);
    if (change.definitions || (seen.rows && any_renamed(*seen.rows))) want_definitions();
    for (auto const& found : seen.found) {
        auto* const tally = find(found.name);
        if (tally != nullptr) take_findings(found, *tally);
    }
    for (auto const& name : change.reload) {
        auto* const tally = find(name);
        if (tally == nullptr || schedule.held(name)) continue;
        if (tally->state() == cache::state::live) tally->lost(cache::reason{cache::reason::kind::reload});
        give_up_load(name);
        want_load(name, load_cause::look);
    }
    repair_wake.notify();
}

void replica_set::impl::take_findings(found_in_tally const& found, cache::tally& tally)
{
    auto const& name = found.name;
    auto const news = looks.take_findings(name, found.all, found.may_repair);
    for (auto const& each : news.appeared) {
        log(each.fails ? db::level::error : db::level::warn, "tally " + name + ": " + each.text());
    }
    for (auto const& each : news.gone) log(db::level::info, "tally " + name + ": problem resolved: " + each.text());
    counted.tallies[name].problems = found.all.size();
    if (auto const failure = looks.failure(name)) {
        using kind = cache::reason::kind;
        schedule.hold(name);
        tally.fail({failure->kind == "source_lost" ? kind::source_lost : kind::needs_repair, failure->text()});
        give_up_load(name);
        return;
    }
    schedule.release(name);
    fail_without_transport(tally);
}

}  // namespace pgtally
