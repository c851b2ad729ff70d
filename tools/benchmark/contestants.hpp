#pragma once

#include <pgtally/db/config.hpp>

#include <chrono>
#include <cstddef>

namespace pgtally::bench {

/// Lookups per second by primary key, of `callers` coroutines on one session. Throws what goes wrong.
double lookups(db::config settings, std::size_t callers, std::chrono::duration<double> time);

struct heard {
    double per_second = 0;
    double per_cpu_second = 0;  ///< of this process
};

/// Receives `count` notifications that were sent at once. The clocks begin with the first of them:
/// what the sender needs is not the receiver's.
heard notifications(db::config settings, std::size_t count);

}  // namespace pgtally::bench
