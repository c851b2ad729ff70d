#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/materialize/materializer.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pgtally::server {

// What Prometheus gets to see: what is counted here, and what the replicas and the system say when they are asked.
class metrics {
public:
    metrics();
    ~metrics();

    void request(std::string_view route, unsigned status);
    void pushed(std::uint64_t changes) noexcept { changes_pushed_ += changes; }
    void conflated(std::uint64_t changes) noexcept { changes_conflated_ += changes; }
    void sent(std::uint64_t bytes) noexcept { bytes_sent_ += bytes; }

    void event_lag(double seconds);
    void heartbeat(double seconds);
    void load(double seconds);

    // Everything in Prometheus' text format.
    std::string text(replica_set& replicas, clients const& connected, materialize_counters const& kept) const;

private:
    struct registry;
    std::unique_ptr<registry> registry_;
    std::uint64_t changes_pushed_ = 0, changes_conflated_ = 0, bytes_sent_ = 0;
};

}  // namespace pgtally::server
