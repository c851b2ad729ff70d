// Definitions and heartbeats, on one connection: what must be asked of the database now and then.

#include <pgtally/cache/replica_set_impl.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace pgtally {

namespace {

using heartbeat_row = std::tuple<double, bool>;

}  // namespace

void replica_set::impl::want_definitions()
{
    ++definitions_asked;
    control_wake.notify();
}

asio::awaitable<void> replica_set::impl::control()
{
    db::connection connection{executor};
    open_connections.push_back(&connection);
    db::backoff pauses{settings.database.retry, chance()};
    auto next_heartbeat = clock::now();
    while (!stopping) {
        auto wake_at = clock::time_point{};
        try {
            if (!connection.is_open()) co_await connection.connect(connection_settings());
            co_await control_turn(connection, next_heartbeat);
            pauses.reset();
            wake_at = std::min(next_heartbeat, next_write_barrier());
            if (!definitions_current()) wake_at = std::min(wake_at, readings.ready());
        } catch (db::error const& e) {
            if (stopping) break;
            control_failed(e);
            wake_at = clock::now() + pauses.next();
        }
        if (!stopping) co_await control_wake.wait_until(wake_at);
    }
    std::erase(open_connections, &connection);
}

asio::awaitable<void> replica_set::impl::control_turn(db::connection& connection, clock::time_point& next_heartbeat)
{
    connection.set_timeout(answer_time());
    if (clock::now() >= next_heartbeat) {
        next_heartbeat = clock::now() + settings.heartbeat;
        co_await send_heartbeat(connection);
    }
    if (!definitions_current() && readings.ready() <= clock::now()) co_await refresh_definitions(connection);
    if (next_write_barrier() <= clock::now()) co_await send_write_barrier(connection);
}

asio::awaitable<void> replica_set::impl::refresh_definitions(db::connection& connection)
{
    auto const asked = definitions_asked;
    auto seen = co_await read_catalog(connection);
    readings.done(clock::now());
    // If they changed meanwhile they are read once more, and only whom it concerns waits for that.
    definitions_read = asked;
    control_trouble.clear();
    reconcile(std::move(seen));
    for (auto const& [name, tally] : replicas) {
        if (tally->state() != cache::state::live && !loads[name]->running) plan_load(name, loads[name]->cause);
    }
    end_turn();
    wake_loaders();
}

void replica_set::impl::reconcile(catalog seen)
{
    schema_version = seen.schema_version;
    auto const& only = settings.only;
    if (!only.empty()) {
        std::erase_if(seen.tallies, [&](auto const& d) { return std::ranges::find(only, d.name) == only.end(); });
    }
    auto const has = [&](std::string const& name) {
        return std::ranges::find(seen.tallies, name, &cache::definition::name) != seen.tallies.end();
    };
    std::vector<std::string> gone;
    for (auto const& [name, tally] : replicas) {
        if (!has(name)) gone.push_back(name);
    }
    for (auto const& name : gone) remove_tally(name);
    for (auto& what : seen.tallies) {
        auto* const known = find(what.name);
        if (known != nullptr && known->what().kind() == what.kind()) {
            auto const name = what.name;
            if (known->redefine(std::move(what))) plan_load(name, load_cause::definition);
            continue;
        }
        if (known != nullptr) remove_tally(what.name);
        add_tally(std::move(what));
    }
    definitions_known = true;
    for (auto const& name : only) {
        if (find(name) != nullptr) continue;
        control_trouble_permanent = true;
        control_trouble = "tally " + name + " does not exist in this database: create it by tally.create_tally";
        log(db::level::warn, control_trouble);
    }
}

void replica_set::impl::add_tally(cache::definition what)
{
    auto const name = what.name;
    log(db::level::info, "tally " + name + ": counts " + what.source);
    counted.tallies.try_emplace(name);
    replicas.emplace(name, std::make_unique<cache::tally>(std::move(what), settings.limits));
    auto const state = std::make_shared<load_state>(executor, settings.database.retry);
    state->definitions_needed = definitions_asked;
    loads.emplace(name, state);
    plan_load(name, load_cause::start);
}

void replica_set::impl::remove_tally(std::string const& name)
{
    log(db::level::info, "tally " + name + ": dropped");
    auto const state = loads.extract(name).mapped();
    state->gone = true;
    if (state->audit) end_audit(name, *state, audit_outcome::changed, "the tally was dropped");
    state->done.notify();
    replicas.erase(name);
    counted.tallies.erase(name);
}

// A heartbeat that cannot be sent is no loss yet: three of them are. But definitions that cannot be read, for a reason
// that stays, leave nothing to follow.
void replica_set::impl::control_failed(db::error const& e)
{
    bool const missing = schema_is_missing(e);
    bool const permanent = missing || e.permanent() || e.state().is("42501");
    std::string reason = missing ? "schema tally is not installed in this database: run pgtally install" : e.what();
    if (reason != control_trouble) log(permanent ? db::level::error : db::level::warn, reason);
    control_trouble = std::move(reason);
    control_trouble_permanent = permanent;
    if (!permanent || definitions_current()) return;
    for (auto const& [name, tally] : replicas) received.stop_following(name, *tally, control_trouble, true);
    end_turn();
}

asio::awaitable<void> replica_set::impl::send_heartbeat(db::connection& connection)
{
    auto const sent = clock::now();
    auto const id = expected.expect([this, sent] { heartbeat_back(sent); });
    heartbeats_sent.push_back(id);
    if (heartbeats_sent.size() > missed_heartbeats) {
        expected.forget(heartbeats_sent.front());
        heartbeats_sent.pop_front();
    }
    auto const payload = barriers::payload(id);
    auto const answer = co_await connection.query_as<heartbeat_row>(
        "select pg_notification_queue_usage(), to_regclass('tally.tallies') is not null from pg_notify('tally', $1)",
        payload);
    auto const [usage, installed] = answer.one();
    counted.notification_queue_usage = usage;
    // A schema that is dropped takes its triggers along and tells nobody.
    if (!installed) want_definitions();
}

void replica_set::impl::heartbeat_back(clock::time_point sent)
{
    last_heartbeat_back = clock::now();
    if (settings.on_heartbeat) settings.on_heartbeat(std::chrono::duration<double>(last_heartbeat_back - sent).count());
}

asio::awaitable<void> replica_set::impl::watch_heartbeats()
{
    while (!stopping) {
        auto const deadline = last_heartbeat_back + answer_time();
        if (transport_open && clock::now() >= deadline) {
            transport_open = false;
            events->restart("no heartbeat came back through the database for three intervals");
        }
        auto const look_again = transport_open ? deadline : clock::now() + settings.heartbeat;
        co_await watch_wake.wait_until(look_again);
    }
}

}  // namespace pgtally
