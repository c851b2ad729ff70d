#pragma once

#include <memory>
#include <string>

namespace pgtally {
class replica_set;
}

namespace pgtally::server {

class clients;
struct materialize_counters;
struct traffic;

// Composes the text that Prometheus reads, from the times recorded here and from the current counters of the sessions,
// the replicas and the system.
class metrics {
public:
    metrics();
    ~metrics();

    void event_lag(double seconds);
    void heartbeat(double seconds);
    void load(double seconds);

    std::string text(replica_set& replicas, clients const& connected, traffic const& counted,
                     materialize_counters const& materialized, std::size_t long_polls) const;

private:
    struct registry;
    std::unique_ptr<registry> registry_;
};

}  // namespace pgtally::server
