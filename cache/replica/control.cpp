// The control connection: definitions, heartbeats, looks, and barriers of awaited writes.

#include <pgtally/cache/replica/database_reason.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

void replica_set::impl::want_definitions()
{
    schedule.want_definitions();
    control_wake.notify();
}

asio::awaitable<void> replica_set::impl::control()
{
    db::connection connection{executor};
    open_connections.push_back(&connection);
    db::backoff pauses{settings.database.retry, db::jitter_source()};
    auto made_in = schedule.generation();
    while (!stopping) {
        auto wake_at = clock::time_point{};
        try {
            // After a failover the database's name leads to another server, whose definitions must be read again.
            if (made_in != schedule.generation()) connection.close();
            if (!connection.is_open()) {
                made_in = schedule.generation();
                co_await connection.connect(session_config(session_kind::control, settings.database));
                looks.connected();
                want_definitions();
                database_answers();
            }
            co_await control_turn(connection);
            pauses.reset();
            wake_at = std::min(next_heartbeat(), next_write_barrier());
            wake_at = std::min(wake_at, schedule.definitions_current() ? next_look : readings.ready());
        } catch (db::error const& e) {
            if (stopping) break;
            control_failed(e);
            connection.leave_transaction();
            wake_at = clock::now() + pauses.next();
        }
        if (!stopping) co_await control_wake.wait_until(wake_at);
    }
    std::erase(open_connections, &connection);
}

// If a transport opens again meanwhile, the remaining steps wait for the next connection.
asio::awaitable<void> replica_set::impl::control_turn(db::connection& connection)
{
    auto const made_in = schedule.generation();
    connection.set_timeout(answer_time());
    co_await send_heartbeats(connection);
    if (clock::now() >= next_explanation) co_await explain_waits(connection);
    if (made_in != schedule.generation()) co_return;
    bool const current = schedule.definitions_current();
    if (current && clock::now() >= next_look) co_await look_again(connection);
    if (!current && clock::now() >= readings.ready()) co_await refresh_definitions(connection);
    if (made_in != schedule.generation()) co_return;
    connection.set_timeout(answer_time());
    co_await send_write_barriers(connection);
}

asio::awaitable<void> replica_set::impl::refresh_definitions(db::connection& connection)
{
    auto const asked = schedule.definitions_asked();
    auto const begin = begin_reading();
    co_await connection.script(begin);
    auto seen = co_await read_catalog(connection);
    co_await connection.query("commit");
    readings.done(clock::now());
    auto const& where = connection.description();
    counted.database = where.substr(0, where.find('/', where.find(':')));  // of "host:port/name as role"
    counted.database_version = connection.server_version();
    control_trouble = {};
    reconcile(std::move(seen));
    // The look comes before the loads: a tally that cannot be counted is not loaded first.
    auto const seen_now = co_await look_around(connection, schema_version);
    // If a definition changed meanwhile, the definitions are read again; only the tallies concerned wait for that.
    schedule.definitions_read(asked);
    take_look(seen_now);
    for (auto const& [name, tally] : replicas) {
        if (tally->state() != cache::state::live) schedule.want_again(name);
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
        if (known != nullptr && known->definition().kind() == what.kind()) {
            auto const name = what.name;
            looks.define(name, what.v);
            if (known->redefine(std::move(what))) schedule.redefined(name, index_of(*known));
            continue;
        }
        if (known != nullptr) remove_tally(what.name);
        add_tally(std::move(what));
    }
    definitions_known = true;
    for (auto const& [name, tally] : replicas) fail_without_transport(*tally);
    use_transports();
    for (auto const& name : only) {
        if (find(name) != nullptr) continue;
        control_trouble_permanent = true;
        control_trouble = {cache::reason::kind::unknown_tally,
                           "tally " + name + " does not exist in this database: create it by tally.create_tally"};
        log(db::level::warn, control_trouble.text());
    }
}

void replica_set::impl::add_tally(cache::definition what)
{
    auto const name = what.name;
    log(db::level::info, "tally " + name + ": counts " + what.source);
    auto& counts = counted.tallies[name];
    for (auto const cause : all_load_causes) counts.loads.try_emplace(cause, 0);
    looks.define(name, what.v);
    auto& tally =
        *replicas.emplace(name, std::make_unique<cache::tally>(std::move(what), settings.limits)).first->second;
    tally.questions().on_work([this] { rank_wake.notify(); });
    schedule.add(name, index_of(tally));
    // Its transport may have been lost before the definitions were read.
    if (auto const by = received.transport_of(tally)) {
        auto const& watch = transports[*by].watch;
        if (watch.is_open() || watch.trouble().empty()) return;
        if (watch.trouble_is_permanent()) tally.fail(watch.trouble());
        else tally.lost(watch.trouble());
    }
}

void replica_set::impl::remove_tally(std::string const& name)
{
    log(db::level::info, "tally " + name + ": dropped");
    give_up_load(name);
    schedule.remove(name);
    end_audit(name, audit_outcome::changed, "the tally was dropped");
    looks.remove(name);
    load_trouble.erase(name);
    replicas.erase(name);
    let_ranked_look();
    counted.tallies.erase(name);
}

asio::awaitable<void> replica_set::impl::look_again(db::connection& connection)
{
    auto const seen_now = co_await look_around(connection, schema_version);
    take_look(seen_now);
    end_turn();
    wake_loaders();
}

// If a heartbeat cannot be sent, the tallies stay as they are; `watch_transports` acts if three are missing. If
// definitions cannot be read because of a permanent error, no tally is followed.
void replica_set::impl::control_failed(db::error const& e)
{
    bool const missing = schema_is_missing(e);
    bool const permanent = missing || e.permanent() || e.state().is("42501");
    using kind = cache::reason::kind;
    auto why = missing ? cache::reason{kind::not_installed,
                                       "schema tally is not installed in this database: run pgtally install"}
                       : database_reason(e, kind::unreadable);
    if (why != control_trouble) log(permanent ? db::level::error : db::level::warn, why.text());
    control_trouble = std::move(why);
    control_trouble_permanent = permanent;
    if (!permanent || schedule.definitions_current()) return;
    for (auto const& [name, tally] : replicas) received.stop_following(name, *tally, control_trouble, true);
    end_turn();
}

}  // namespace pgtally
