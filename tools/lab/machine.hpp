#pragma once

#include "whole.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::lab {

/// The processor's name in the text of /proc/cpuinfo; "unknown" if there is none, as on some ARM machines.
[[nodiscard]] std::string cpu_model_in(std::string const& cpuinfo);

/// The memory in the text of /proc/meminfo, in bytes; 0 if there is none.
[[nodiscard]] std::int64_t memory_in(std::string const& meminfo);

/// Processor, cores, memory and kernel of this machine.
[[nodiscard]] std::vector<fact> machine_facts();

}  // namespace pgtally::lab
