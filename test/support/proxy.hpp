#pragma once

#include <pgtally/test/support/event_thread.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace pgtally::test {

/// A TCP proxy on 127.0.0.1 in a thread of its own, which can be told to misbehave. All calls are
/// synchronous: when they return, it does.
class proxy {
public:
    /// Passes everything to 127.0.0.1:port, until told otherwise.
    explicit proxy(int port);
    proxy(proxy const&) = delete;
    proxy& operator=(proxy const&) = delete;
    ~proxy();

    [[nodiscard]] int port() const noexcept { return port_; }
    /// To the cluster of the tests, this way.
    [[nodiscard]] std::string dsn() const;

    /// Nothing passes any more, either way; connections, old and new, stay open and silent.
    void stall();
    /// Passes again, first of all what waited.
    void pass();
    /// Ends all connections with a reset.
    void cut();
    /// Tells the clients that the server has nothing more to say (FIN), and goes on reading them.
    void half_close();
    /// Connections accepted since the beginning.
    [[nodiscard]] std::size_t accepted();

private:
    class state;

    event_thread thread_{};
    std::shared_ptr<state> state_;
    int port_ = 0;
};

}  // namespace pgtally::test
