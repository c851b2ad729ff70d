#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtally::server {

// What the kernel knows of a connection's other end.
struct tcp_progress {
    std::uint64_t bytes_taken = 0;        // that it has acknowledged since the connection was made
    bool outstanding = false;             // something was written that it has not acknowledged
    std::chrono::milliseconds silent{0};  // since its last byte came
};

// Nothing if the system does not say.
std::optional<tcp_progress> progress_of(int socket) noexcept;

}  // namespace pgtally::server
