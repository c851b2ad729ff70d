#pragma once

#include <pgtally/cache/replica/replica_set.hpp>

#include <prometheus/metric_family.h>

#include <vector>

namespace pgtally::server {

// Appends what the replicas say of their tallies, and of the database.
void add_replica_metrics(std::vector<prometheus::MetricFamily>& out, replica_set& replicas);

}  // namespace pgtally::server
