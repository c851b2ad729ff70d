#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pgtally {
class replica_set;
}

namespace pgtally::server {

class authority;
class clients;
struct materialize_counters;
struct serve_options;
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

    void action(double seconds);

    // `route` is a literal.
    void request(std::string_view route, double seconds);

    struct sources {
        serve_options const& options;
        replica_set& replicas;
        clients const& connected;
        traffic const& counted;
        materialize_counters const& materialized;
        authority const& who_may;
        std::size_t long_polls = 0;
    };
    std::string text(sources const& from) const;

private:
    struct registry;
    std::unique_ptr<registry> registry_;
};

}  // namespace pgtally::server
