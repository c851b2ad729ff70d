#pragma once

// Tells the program's supervisor, systemd or one that speaks its protocol, how the service is: that it is ready, that it
// stops, a line of status, and, for a watchdog, that its loop turns.
//
// Model: sd_notify(3) sends a datagram of lines to the socket that NOTIFY_SOCKET names. That protocol is a few lines, which
// spares a library that systems without systemd do not have. Without the variable nothing is sent.
//
// Errors: none. A datagram that cannot be sent is lost: a supervisor that is gone needs no answer.
//
// Source: sd_notify(3), sd_watchdog_enabled(3).

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

class supervisor {
public:
    // The value of an environment variable, if it is set.
    using environment = std::function<std::optional<std::string>(std::string const& name)>;

    // `process` is this process's id: a watchdog may be meant for another one.
    supervisor(environment const& getenv, long process);
    ~supervisor();
    supervisor(supervisor const&) = delete;
    supervisor& operator=(supervisor const&) = delete;

    bool listens() const noexcept { return socket_ >= 0; }

    // How often `alive` must be called at least, with time to spare; none if there is no watchdog.
    std::optional<std::chrono::microseconds> watchdog() const noexcept { return watchdog_; }

    void ready() { send("READY=1"); }
    void stopping() { send("STOPPING=1"); }
    void alive() { send("WATCHDOG=1"); }

    // One line, for people. Sent if it differs from the last one.
    void status(std::string_view line);

private:
    void send(std::string const& text) noexcept;

    int socket_ = -1;
    std::string address_;  // of the supervisor; begins with a zero byte if it is abstract
    std::optional<std::chrono::microseconds> watchdog_;
    std::string status_;
};

}  // namespace pgtally::server
