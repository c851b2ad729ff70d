#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace pgtally::server {

// The resources that this process uses, as the system reports them. 0 for a value that it does not report.
struct usage_of_process {
    double resident_bytes = 0, cpu_seconds = 0, open_fds = 0, max_fds = 0, start_time_seconds = 0;
};

usage_of_process process_usage();

// An environment variable, if it is set.
std::optional<std::string> environment_variable(std::string const& name);

// Raises the limit of open descriptors to the maximum, and returns it.
std::size_t raise_descriptor_limit();

}  // namespace pgtally::server
