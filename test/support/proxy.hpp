#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <memory>
#include <thread>

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
    template <class F>
    void call(F f);

    boost::asio::io_context context_{1};
    std::shared_ptr<state> state_;
    int port_ = 0;
    std::thread thread_;
};

}  // namespace pgtally::test
