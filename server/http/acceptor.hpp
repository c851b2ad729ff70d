#pragma once

#include <pgtally/server/base/endpoint.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/http_session.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace pgtally::server {

// An address that the server listens at.
class acceptor {
public:
    // Binds at once. Throws std::runtime_error that names the address.
    acceptor(asio::io_context& io, endpoint const& where, address_kind kind);

    // Accepts connections until `close`. If the process has no descriptor left for them, pauses and logs that: a public
    // address while only `limits::kept_descriptors` are left, the admin address when there is none.
    asio::awaitable<void> run(connection_context& with);
    void close() noexcept;

    // The address that the acceptor is bound to. If the requested port is 0, it has the port that the system chose.
    endpoint const& address() const noexcept { return address_; }
    address_kind kind() const noexcept { return where_.kind; }
    bool loopback() const noexcept { return where_.loopback; }

private:
    boost::system::error_code accept(tcp_socket& into, tcp::endpoint& from, limits const& bounds);
    void take(tcp_socket socket, tcp::endpoint const& from, connection_context& with);
    static asio::awaitable<void> pause(std::chrono::milliseconds length);

    tcp_acceptor socket_;
    endpoint address_;
    entrance where_;
};

}  // namespace pgtally::server
