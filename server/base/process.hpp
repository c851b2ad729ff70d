#pragma once

#include <cstddef>

namespace pgtally::server {

// What this process uses, as the system tells it; 0 where it does not.
struct usage_of_process {
    double resident_bytes = 0, cpu_seconds = 0, open_fds = 0, max_fds = 0, start_time_seconds = 0;
};

usage_of_process process_usage();

// Lets this process open as many descriptors as it may. Answers how many that is.
std::size_t raise_descriptor_limit();

}  // namespace pgtally::server
