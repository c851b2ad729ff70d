#pragma once

#include <pgtally/test/support/event_thread.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace pgtally::test {

/// A TCP proxy on 127.0.0.1 in its own thread, which misbehaves on demand. All calls are synchronous: they take
/// effect before they return.
class proxy {
public:
    /// Forwards everything to 127.0.0.1:port until another member is called.
    explicit proxy(int port);
    proxy(proxy const&) = delete;
    proxy& operator=(proxy const&) = delete;
    ~proxy();

    [[nodiscard]] int port() const noexcept { return port_; }
    /// The DSN of the tests' cluster through this proxy.
    [[nodiscard]] std::string dsn() const;

    /// Stops forwarding in both directions. Old and new connections stay open and silent.
    void stall();
    /// Forwards again, beginning with what was held back.
    void pass();
    /// Ends all connections with a reset.
    void cut();
    /// Sends FIN to the clients and keeps reading from them.
    void half_close();
    /// Connections accepted since the start.
    [[nodiscard]] std::size_t accepted();

private:
    class state;

    event_thread thread_{};
    std::shared_ptr<state> state_;
    int port_ = 0;
};

}  // namespace pgtally::test
