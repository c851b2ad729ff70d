#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/http_session.hpp>
#include <pgtally/server/http/listening.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace pgtally::server {

// An address that the server listens at.
class acceptor {
public:
    // `encrypted`: connections begin with TLS; those of a Unix socket do not.
    acceptor(listening at, address_kind kind, bool encrypted);
    ~acceptor() { close(); }
    acceptor(acceptor const&) = delete;
    acceptor& operator=(acceptor const&) = delete;

    // Accepts connections until `close`. If the process has no descriptor left for them, pauses and logs that: a public
    // address while only `limits::kept_descriptors` are left, the admin address when there is none.
    asio::awaitable<void> run(connection_context& with);
    void close() noexcept;

    endpoint const& address() const noexcept { return at_.address; }
    address_kind kind() const noexcept { return where_.kind; }
    bool loopback() const noexcept { return where_.loopback; }
    bool encrypted() const noexcept { return where_.encrypted; }

private:
    boost::system::error_code take_waiting(connection_context& with);
    boost::system::error_code accept(stream_socket& into, ip_address& from, limits const& bounds);
    void take(stream_socket socket, ip_address const& from, connection_context& with);
    static asio::awaitable<void> pause(std::chrono::milliseconds length);

    listening at_;
    entrance where_;
};

}  // namespace pgtally::server
