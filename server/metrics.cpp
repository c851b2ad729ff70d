#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/base/version.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/traffic.hpp>
#include <pgtally/server/materialize/materializer.hpp>
#include <pgtally/server/metric_families.hpp>
#include <pgtally/server/metrics.hpp>
#include <pgtally/server/replica_metrics.hpp>
#include <pgtally/server/times.hpp>

#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace pgtally::server {

namespace {

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
    begin(out, "pgtally_materialize_writer", "1 if this server writes the table of a tally", gauge);
    for (auto const& [name, of] : materialized.tallies) add(out.back(), of.writes ? 1 : 0, {{"tally", name}});
    begin(out, "pgtally_materialize_pending_keys",
          "keys that changed and are not in the table yet, on the server that writes it", gauge);
    for (auto const& [name, of] : materialized.tallies)
        add(out.back(), static_cast<double>(of.pending), {{"tally", name}});
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
    begin(out, "pgtally_tls_handshakes_failed_total", "TLS handshakes that failed", counter);
    add(out.back(), static_cast<double>(counted.handshakes_failed));
    begin(out, "pgtally_clients_cut_total", "clients that were cut, by why", counter);
    add(out.back(), static_cast<double>(counted.cut_stalled), {{"reason", "stalled"}});
    add(out.back(), static_cast<double>(counted.cut_silent), {{"reason", "silent"}});
    add(out.back(), static_cast<double>(counted.cut_unclosed), {{"reason", "unclosed"}});
    add_one(out, "pgtally_changes_pushed_total", "values pushed to clients", counter,
            static_cast<double>(counted.changes_pushed));
    add_one(out, "pgtally_changes_conflated_total", "changes replaced by a newer one before they were pushed", counter,
            static_cast<double>(counted.changes_conflated));
    add_one(out, "pgtally_sent_bytes_total", "bytes sent to clients, of bodies and messages", counter,
            static_cast<double>(counted.bytes_sent));
}

void add_refused_tokens(families& out, refused_tokens const& refused)
{
    begin(out, "pgtally_tokens_refused_total", "tokens refused, by why", counter);
    refused.each([&out](token_fault why, std::uint64_t count) {
        add(out.back(), static_cast<double>(count), {{"reason", std::string{name_of(why)}}});
    });
}

void add_limits(families& out, serve_options const& options)
{
    auto const& bounds = options.bounds;
    begin(out, "pgtally_limit", "limits, to compare with what is used; 0: none", gauge);
    auto const add_limit = [&](char const* name, auto value) {
        add(out.back(), static_cast<double>(value), {{"name", name}});
    };
    add_limit("clients", bounds.max_clients);
    add_limit("keys", options.max_keys);
    add_limit("long_polls", bounds.max_long_polls);
    add_limit("waiting_reads", bounds.max_waiting_reads);
    add_limit("waiting_actions", bounds.max_waiting_actions);
    add_limit("wal_lag_bytes", options.wal_lag_limit);
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
    times event_lag = histogram("pgtally_event_lag_seconds", "from the statement to its application", short_times);
    times heartbeat =
        histogram("pgtally_heartbeat_roundtrip_seconds", "of a heartbeat through the database", short_times);
    times load = histogram("pgtally_load_seconds", "of a load, from its beginning to its barrier", long_times);

    times action =
        histogram("pgtally_action_seconds", "of an action, until it was applied or known not to be done", short_times);
    prometheus::Family<prometheus::Histogram>& requests =
        prometheus::BuildHistogram()
            .Name("pgtally_request_seconds")
            .Help("of a request, until its answer was sent; without long polls and streams")
            .Register(all);
    std::map<std::string_view, times> by_route{};

    times histogram(char const* name, char const* help, prometheus::Histogram::BucketBoundaries const& bounds)
    {
        return {prometheus::BuildHistogram().Name(name).Help(help).Register(all).Add({}, bounds), bounds};
    }
};

metrics::metrics() : registry_{std::make_unique<registry>()} {}
metrics::~metrics() = default;

void metrics::event_lag(double seconds)
{
    registry_->event_lag.add(seconds);
}

void metrics::heartbeat(double seconds)
{
    registry_->heartbeat.add(seconds);
}

void metrics::load(double seconds)
{
    registry_->load.add(seconds);
}

void metrics::action(double seconds)
{
    registry_->action.add(seconds);
}

void metrics::request(std::string_view route, double seconds)
{
    auto known = registry_->by_route.find(route);
    if (known == registry_->by_route.end()) {
        auto& into = registry_->requests.Add({{"route", std::string{route}}}, short_times);
        known = registry_->by_route.emplace(route, times{into, short_times}).first;
    }
    known->second.add(seconds);
}

std::string metrics::text(sources const& from) const
{
    for (auto* const each : {&registry_->event_lag, &registry_->heartbeat, &registry_->load, &registry_->action})
        each->hand_over();
    for (auto& [route, of] : registry_->by_route) of.hand_over();
    auto out = registry_->all.Collect();
    add_replica_metrics(out, from.replicas);
    add_materialization(out, from.materialized);
    add_clients(out, from.connected, from.counted);
    add_one(out, "pgtally_long_polls", "requests that wait for a change", gauge, static_cast<double>(from.long_polls));
    add_refused_tokens(out, from.who_may.refused());
    add_limits(out, from.options);
    add(begin(out, "pgtally_build_info", "the program", gauge), 1, {{"version", std::string{version()}}});
    add_process(out);
    return prometheus::TextSerializer{}.Serialize(out);
}

}  // namespace pgtally::server
