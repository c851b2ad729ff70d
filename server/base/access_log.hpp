#pragma once

// The access log: a line for each request that was answered, and for each WebSocket and stream of events that ended.
//
// Model: lines are kept, and written to the file every second or so, or when there are many; requests never wait for a disk.
// A file that is moved away is made anew by `reopen`, as logrotate expects. Lines that cannot be written are lost, and the log
// says so once.
//
// A line names the route (`/v1/tallies/{tally}/keys/{key}`) and not the target: keys and queries belong to clients.

#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/base/log.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

struct served_request {
    ip_address client{};
    std::string_view method{};
    std::string_view route{};
    unsigned version = 11;  // of HTTP; 10: HTTP/1.0
    unsigned status = 0;
    std::uint64_t bytes = 0;  // of the answer, its head included
    double seconds = 0;       // until the answer was sent, or the stream ended
};

class access_log {
public:
    // Opens the file for appending; `-` is stdout. An empty path: nothing is written. Throws std::runtime_error that names the
    // file.
    access_log(std::string path, log_format format);
    ~access_log();
    access_log(access_log const&) = delete;
    access_log& operator=(access_log const&) = delete;

    bool on() const noexcept { return file_ >= 0; }
    void add(served_request const& what);
    void flush();

    // Throws std::runtime_error that names the file, and keeps the one that is open.
    void reopen();

private:
    int open() const;

    std::string path_;
    log_format format_;
    int file_ = -1;
    bool lost_ = false;
    std::string waiting_{};
};

// The line, with its end. As text, the Common Log Format with the seconds after it.
std::string access_line(served_request const& what, std::chrono::system_clock::time_point now, log_format format);

}  // namespace pgtally::server
