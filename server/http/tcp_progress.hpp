#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtally::server {

// What the kernel knows about the other end of a connection.
struct tcp_progress {
    std::uint64_t bytes_taken = 0;        // acknowledged since the connection began
    bool outstanding = false;             // bytes were written that are not acknowledged
    std::chrono::milliseconds silent{0};  // since the last byte came
    bool ended = false;                   // the other end has closed its side, though bytes may be unread
};

// Returns nothing if the system does not report it.
std::optional<tcp_progress> progress_of(int socket) noexcept;

}  // namespace pgtally::server
