#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/base/version.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/traffic.hpp>
#include <pgtally/server/materialize/materializer.hpp>
#include <pgtally/server/metrics.hpp>

#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace pgtally::server {

namespace {

using labels = std::vector<std::pair<std::string, std::string>>;
using families = std::vector<prometheus::MetricFamily>;

prometheus::MetricFamily& begin(families& out, std::string name, std::string help, prometheus::MetricType type)
{
    auto& family = out.emplace_back();
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    return family;
}

void add(prometheus::MetricFamily& to, double value, labels const& of = {})
{
    auto& metric = to.metric.emplace_back();
    for (auto const& [name, text] : of) metric.label.push_back({name, text});
    if (to.type == prometheus::MetricType::Counter) metric.counter.value = value;
    else metric.gauge.value = value;
}

void add_one(families& out, std::string name, std::string help, prometheus::MetricType type, double value)
{
    add(begin(out, std::move(name), std::move(help), type), value);
}

constexpr auto counter = prometheus::MetricType::Counter;
constexpr auto gauge = prometheus::MetricType::Gauge;

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
    begin(out, "pgtally_audits_total", "audits that compared a tally with the truth", counter);
    for (auto const& [name, of] : stats.tallies) add(out.back(), static_cast<double>(of.audits), {{"tally", name}});
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

void add_materialization(families& out, materialize_counters const& materialized)
{
    add_one(out, "pgtally_materialized_keys_total", "rows written into the tables that tallies are kept in", counter,
            static_cast<double>(materialized.keys));
    begin(out, "pgtally_materialize_failures_total", "times that a table could not be written, and was tried again",
          counter);
    for (auto const& [name, of] : materialized.tallies)
        add(out.back(), static_cast<double>(of.failures), {{"tally", name}});
    begin(out, "pgtally_materialize_refused_total", "rows that a constraint refused, and that were skipped", counter);
    for (auto const& [name, of] : materialized.tallies)
        add(out.back(), static_cast<double>(of.refused), {{"tally", name}});
}

void add_clients(families& out, clients const& connected, traffic const& counted)
{
    begin(out, "pgtally_clients", "connections", gauge);
    add(out.back(), static_cast<double>(connected.count(protocol::http)), {{"protocol", "http"}});
    add(out.back(), static_cast<double>(connected.count(protocol::websocket)), {{"protocol", "ws"}});
    add(out.back(), static_cast<double>(connected.count(protocol::sse)), {{"protocol", "sse"}});
    begin(out, "pgtally_requests_total", "requests answered", counter);
    for (auto const& [of, count] : counted.requests) {
        auto const& [route, status] = of;
        add(out.back(), static_cast<double>(count),
            {{"route", std::string{route}}, {"status", std::to_string(status)}});
    }
    add_one(out, "pgtally_changes_pushed_total", "values pushed to clients", counter,
            static_cast<double>(counted.changes_pushed));
    add_one(out, "pgtally_changes_conflated_total", "changes replaced by a newer one before they were pushed", counter,
            static_cast<double>(counted.changes_conflated));
    add_one(out, "pgtally_sent_bytes_total", "bytes sent to clients, of bodies and messages", counter,
            static_cast<double>(counted.bytes_sent));
}

void add_process(families& out)
{
    auto const now = process_usage();
    add_one(out, "process_resident_memory_bytes", "resident memory", gauge, now.resident_bytes);
    add_one(out, "process_cpu_seconds_total", "user and system CPU time", counter, now.cpu_seconds);
    add_one(out, "process_open_fds", "open file descriptors", gauge, now.open_fds);
    add_one(out, "process_max_fds", "the most file descriptors that may be open", gauge, now.max_fds);
    add_one(out, "process_start_time_seconds", "when the process started, since 1970", gauge, now.start_time_seconds);
}

prometheus::Histogram::BucketBoundaries const short_times{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
prometheus::Histogram::BucketBoundaries const long_times{0.001, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900};

}  // namespace

struct metrics::registry {
    prometheus::Registry all;
    prometheus::Histogram& event_lag =
        histogram("pgtally_event_lag_seconds", "from the statement to its application", short_times);
    prometheus::Histogram& heartbeat =
        histogram("pgtally_heartbeat_roundtrip_seconds", "of a heartbeat through the database", short_times);
    prometheus::Histogram& load =
        histogram("pgtally_load_seconds", "of a load, from its beginning to its barrier", long_times);

    prometheus::Histogram& histogram(char const* name, char const* help,
                                     prometheus::Histogram::BucketBoundaries const& bounds)
    {
        return prometheus::BuildHistogram().Name(name).Help(help).Register(all).Add({}, bounds);
    }
};

metrics::metrics() : registry_{std::make_unique<registry>()} {}
metrics::~metrics() = default;

void metrics::event_lag(double seconds)
{
    registry_->event_lag.Observe(seconds);
}

void metrics::heartbeat(double seconds)
{
    registry_->heartbeat.Observe(seconds);
}

void metrics::load(double seconds)
{
    registry_->load.Observe(seconds);
}

std::string metrics::text(replica_set& replicas, clients const& connected, traffic const& counted,
                          materialize_counters const& materialized, std::size_t long_polls) const
{
    auto out = registry_->all.Collect();
    add_tallies(out, replicas);
    add_replication(out, replicas.stats());
    add_materialization(out, materialized);
    add_clients(out, connected, counted);
    add_one(out, "pgtally_long_polls", "requests that wait for a change", gauge, static_cast<double>(long_polls));
    add(begin(out, "pgtally_build_info", "the program", gauge), 1, {{"version", std::string{version()}}});
    add_process(out);
    return prometheus::TextSerializer{}.Serialize(out);
}

}  // namespace pgtally::server
