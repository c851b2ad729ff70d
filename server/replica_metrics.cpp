#include <pgtally/server/metric_families.hpp>
#include <pgtally/server/replica_metrics.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace pgtally::server {

namespace {

void add_tallies(families& out, replica_set& replicas)
{
    begin(out, "pgtally_state", "1 for the state that a tally is in", gauge);
    for (auto const& [name, tally] : replicas.all()) {
        using cache::state;
        for (auto const s : {state::loading, state::live, state::stale, state::failed}) {
            add(out.back(), tally->state() == s ? 1 : 0, {{"tally", name}, {"state", std::string{to_string(s)}}});
        }
    }
    begin(out, "pgtally_keys", "keys whose counters are not all 0", gauge);
    for (auto const& [name, tally] : replicas.all())
        add(out.back(), static_cast<double>(tally->table().nonzero()), {{"tally", name}});
    begin(out, "pgtally_revision", "the revision of a tally in its epoch", gauge);
    for (auto const& [name, tally] : replicas.all())
        add(out.back(), static_cast<double>(tally->revision()), {{"tally", name}});
}

// Times are since 1970; 0: never.
void add_audits(families& out, replica_set::counters const& stats)
{
    begin(out, "pgtally_audits_total",
          "audits, by what they found: equal, drift, or that they could not compare (failed)", counter);
    for (auto const& [name, of] : stats.tallies) {
        add(out.back(), static_cast<double>(of.audits_equal), {{"tally", name}, {"result", "equal"}});
        add(out.back(), static_cast<double>(of.audits_drift), {{"tally", name}, {"result", "drift"}});
        add(out.back(), static_cast<double>(of.audits_failed), {{"tally", name}, {"result", "failed"}});
    }
    begin(out, "pgtally_last_audit_timestamp_seconds", "when a tally was last compared with the truth; 0: never",
          gauge);
    for (auto const& [name, of] : stats.tallies) {
        auto const at = of.last_audit ? of.last_audit->time_since_epoch() : std::chrono::system_clock::duration{};
        add(out.back(), std::chrono::duration<double>(at).count(), {{"tally", name}});
    }
}

// "15.20" of 150020; empty if it is not known.
std::string version_text(int version)
{
    return version == 0 ? std::string{} : std::to_string(version / 10'000) + '.' + std::to_string(version % 10'000);
}

void add_replication(families& out, replica_set::counters const& stats)
{
    begin(out, "pgtally_events_total", "events applied", counter);
    for (auto const& [name, of] : stats.tallies) add(out.back(), static_cast<double>(of.events), {{"tally", name}});
    begin(out, "pgtally_events_dropped_total", "events that were not valid", counter);
    for (auto const& [reason, count] : stats.events_dropped)
        add(out.back(), static_cast<double>(count), {{"reason", reason}});
    begin(out, "pgtally_loads_total", "loads begun", counter);
    for (auto const& [name, of] : stats.tallies) {
        for (auto const& [cause, count] : of.loads) {
            add(out.back(), static_cast<double>(count), {{"tally", name}, {"cause", std::string{to_string(cause)}}});
        }
    }
    begin(out, "pgtally_load_failures_total", "loads that failed, by PostgreSQL's SQLSTATE, and were tried again",
          counter);
    for (auto const& [name, of] : stats.tallies) {
        for (auto const& [state, count] : of.load_failures)
            add(out.back(), static_cast<double>(count), {{"tally", name}, {"sqlstate", state}});
    }
    begin(out, "pgtally_drift_keys_total", "keys that differed from the truth although the tally was live", counter);
    for (auto const& [name, of] : stats.tallies) add(out.back(), static_cast<double>(of.drift_keys), {{"tally", name}});
    add_audits(out, stats);
    begin(out, "pgtally_problems", "problems of a tally that the database reports, as pgtally check shows them", gauge);
    for (auto const& [name, of] : stats.tallies) add(out.back(), static_cast<double>(of.problems), {{"tally", name}});
    add_one(out, "pgtally_reconnects_total", "times that the transport reconnected", counter,
            static_cast<double>(stats.reconnects));
    add_one(out, "pgtally_notification_queue_usage_ratio", "how full PostgreSQL's notification queue is, 0 to 1", gauge,
            stats.notification_queue_usage);
    std::uint64_t held = 0;
    for (auto const& [transport, bytes] : stats.wal_held) held += bytes;
    add_one(out, "pgtally_wal_lag_bytes", "WAL that PostgreSQL keeps for this server's replication slot", gauge,
            static_cast<double>(held));
    begin(out, "pgtally_heartbeat_age_seconds", "since a heartbeat came back by a transport; 0 if it is not in use",
          gauge);
    for (std::string const transport : {"notify", "wal"}) {
        auto const at = stats.last_heartbeat.find(transport);
        bool const used = at != stats.last_heartbeat.end();
        auto const age = used ? std::chrono::steady_clock::now() - at->second : std::chrono::steady_clock::duration{};
        add(out.back(), std::chrono::duration<double>(age).count(), {{"transport", transport}});
    }
}

}  // namespace

void add_replica_metrics(families& out, replica_set& replicas)
{
    auto const& stats = replicas.stats();
    add_tallies(out, replicas);
    add_replication(out, stats);
    begin(out, "pgtally_database_info", "the database whose definitions were read last, and its schema tally", gauge);
    add(out.back(), stats.database.empty() ? 0 : 1,
        {{"host", stats.database},
         {"server_version", version_text(stats.database_version)},
         {"schema_version", std::to_string(replicas.schema_version())}});
}

}  // namespace pgtally::server
