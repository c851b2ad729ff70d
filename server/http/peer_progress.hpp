#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtally::server {

// What is known about the other end of a connection.
struct peer_progress {
    std::uint64_t bytes_taken = 0;        // since the connection began
    bool outstanding = false;             // bytes were written that are not taken
    std::chrono::milliseconds silent{0};  // since the last byte came
    bool ended = false;                   // the other end has closed its side, though bytes may be unread
};

// What the kernel says of a TCP connection; nothing of another one.
std::optional<peer_progress> tcp_progress_of(int socket) noexcept;

// What it says of a Unix socket, to which `written` bytes went: all but `silent`.
peer_progress unix_progress_of(int socket, std::uint64_t written) noexcept;

}  // namespace pgtally::server
